"""Archives and folders made to hurt: each bad file is a sentence, and every honest one beside it is taken in."""

import contextlib
import io
import os
import stat
import struct
import time
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_collecting import CLASS, LABS, PRUNING, collect, fill, notebook, pack, packed, who

from autograder import collecting
from autograder.collecting import archives, files, which, whose
from autograder.collecting.standing import Standing
from efflab.errors import EfflabError

HONEST = [("emmy", "01-pruning")]


def beside(path, name, content=PRUNING, **attributes):
    """A zip with a bad entry before an honest one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        for key, value in attributes.items():
            setattr(info, key, value)
        archive.writestr(info, content)
        archive.writestr("emmy/pruning.ipynb", PRUNING)
    return path


def one_problem(found, words):
    assert who(found) == HONEST
    (problem,) = found.problems
    assert words in problem
    assert problem.isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "../ada/pruning.ipynb",
        "ada/../../pruning.ipynb",
        "/ada/pruning.ipynb",
        "..\\ada\\pruning.ipynb",
        "C:\\ada\\pruning.ipynb",
        "C:/ada/pruning.ipynb",
    ],
)
def test_names_that_lead_out(tmp_path, name):
    one_problem(collect(beside(tmp_path / "s.zip", name)), "leads out of its folder")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip(tmp_path, kind):
    path = beside(tmp_path / "s.zip", "ada/pruning.ipynb", b"/etc/passwd", external_attr=(kind | 0o777) << 16)
    one_problem(collect(path), "no plain file")


def test_ways_of_packing_that_are_not_read(tmp_path):
    path = beside(tmp_path / "s.zip", "ada/pruning.ipynb", compress_type=zipfile.ZIP_BZIP2)
    one_problem(collect(path), "packed in a way")


def test_an_encrypted_entry(tmp_path):
    raw = bytearray(beside(tmp_path / "s.zip", "ada/pruning.ipynb").read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        raw[raw.index(mark) + offset] |= 1
    (tmp_path / "s.zip").write_bytes(raw)
    one_problem(collect(tmp_path / "s.zip"), "encrypted")


def test_a_bomb(tmp_path):
    one_problem(
        collect(beside(tmp_path / "s.zip", "ada/pruning.ipynb", b" " * (10 * 2**20))), "250 times its size"
    )


def test_a_bomb_that_lies_about_its_size(tmp_path):
    raw = bytearray(beside(tmp_path / "s.zip", "ada/pruning.ipynb", b" " * (30 * 2**20)).read_bytes())
    raw = raw.replace(struct.pack("<L", 30 * 2**20), struct.pack("<L", 1000))
    (tmp_path / "s.zip").write_bytes(raw)
    found = collect(tmp_path / "s.zip")
    assert HONEST[0] in who(found)
    assert all(len(one.notebook) <= 1000 for one in found.attempts)


def test_a_large_notebook_is_not_unpacked(tmp_path, monkeypatch):
    path = beside(tmp_path / "s.zip", "ada/pruning.ipynb", os.urandom(21 * 2**20))
    opened = []
    original = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile,
        "open",
        lambda self, info, *a, **k: opened.append(info.filename) or original(self, info, *a, **k),
    )
    one_problem(collect(path), "has 21.0 MiB; at most 20 MiB")
    assert opened == ["emmy/pruning.ipynb"]


def test_a_500_mb_notebook_on_disk_is_not_read(tmp_path, monkeypatch):
    fill(tmp_path, **{"ada/pruning.ipynb": b"", "emmy/pruning.ipynb": PRUNING})
    os.truncate(tmp_path / "ada/pruning.ipynb", 500 * 2**20)
    one_problem(collect(tmp_path), "has 500.0 MiB; at most 20 MiB")


def test_a_damaged_entry(tmp_path):
    raw = bytearray(beside(tmp_path / "s.zip", "ada/pruning.ipynb", os.urandom(3000)).read_bytes())
    raw[200:300] = bytes(100)
    (tmp_path / "s.zip").write_bytes(raw)
    one_problem(collect(tmp_path / "s.zip"), "damaged")


def test_zips_in_zips_in_zips(tmp_path):
    inner = packed({"ada/pruning.ipynb": PRUNING})
    pack(tmp_path / "s.zip", {"ada.zip": packed({"again.zip": inner}), "emmy/pruning.ipynb": PRUNING})
    one_problem(collect(tmp_path / "s.zip"), "zip in a zip in a zip")


def test_a_zip_that_is_none(tmp_path):
    pack(tmp_path / "s.zip", {"ada.zip": b"no zip", "emmy/pruning.ipynb": PRUNING})
    one_problem(collect(tmp_path / "s.zip"), "no zip that can be read")
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4" + os.urandom(100))
    with pytest.raises(EfflabError, match="no zip that can be read"):
        collect(tmp_path / "bad.zip")


def test_a_list_of_names_that_is_huge_is_never_parsed(tmp_path):
    """The end of the archive claims 100 MiB of names; reading them would build a million entries."""
    body = bytes(100 * 2**20)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(body), 0, 0)
    with pytest.raises(EfflabError, match="far more files than are handed in"):
        list(collect(_sparse(tmp_path / "s.zip", len(body), end)).attempts)


def _sparse(path, size, end):
    path.write_bytes(b"")
    os.truncate(path, size)
    with path.open("ab") as stream:
        stream.write(end)
    return path


def test_more_files_than_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILES", 5)
    fill(tmp_path / "inbox", **{f"s{i}/pruning.ipynb": PRUNING for i in range(6)})
    found = collect(tmp_path / "inbox", roster=None)
    assert len(found.attempts) == 5 and "more than 5 notebooks" in found.problems[0]


def test_all_files_together_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting.gathering, "MAX_TOTAL", len(PRUNING) + 10)
    fill(tmp_path, **{"ada/pruning.ipynb": PRUNING, "emmy/pruning.ipynb": PRUNING})
    found = collect(tmp_path)
    assert len(found.attempts) == 1 and "all files together" in found.problems[0]


def test_an_entry_without_a_name(tmp_path):
    raw = packed({"a": PRUNING, "emmy/pruning.ipynb": PRUNING})
    (tmp_path / "s.zip").write_bytes(raw.replace(b"\0\0a", b"\0\0\0"))
    assert who(collect(tmp_path / "s.zip")) == HONEST


def test_what_nobody_thought_of_stops_nothing(tmp_path, monkeypatch):
    original = collecting.gathering.which

    def which(parts, *rest):
        if "ada" in parts:
            raise ZeroDivisionError
        return original(parts, *rest)

    monkeypatch.setattr(collecting.gathering, "which", which)
    fill(tmp_path, **{"ada/pruning.ipynb": PRUNING, "emmy/pruning.ipynb": PRUNING})
    one_problem(collect(tmp_path), "cannot be taken in (ZeroDivisionError)")


def test_one_name_twice_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("emmy/pruning.ipynb", notebook(text="first"))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("emmy/pruning.ipynb", notebook(text="second"))
    found = collect(tmp_path / "s.zip")
    assert who(found) == HONEST * 2
    assert b"second" in collecting.last(found.attempts)[0].notebook


@pytest.mark.parametrize("name", ["ädä", "\x1b[31mada", "ada\n", "a" * 65, "-ada", "ada;rm", "$(x)"])
def test_folders_that_cannot_be_an_id(tmp_path, name):
    pack(tmp_path / "s.zip", {f"{name}/pruning.ipynb": PRUNING, "emmy/pruning.ipynb": PRUNING})
    found = collect(tmp_path / "s.zip", roster=None)
    assert who(found) == HONEST
    assert "is no id of 1 to 64" in found.problems[0] and found.problems[0].isprintable()


def test_nobody_is_taken_for_the_zips_owner_who_is_no_student(tmp_path):
    pack(tmp_path / "tutor.zip", {"zoe/pruning.ipynb": PRUNING, "ä/pruning.ipynb": PRUNING})
    assert who(collect(tmp_path / "tutor.zip")) == [("zoe", "01-pruning")]


def test_names_that_are_not_utf_8(tmp_path):
    raw = packed({"xxxx/pruning.ipynb": PRUNING, "emmy/pruning.ipynb": PRUNING}).replace(
        b"xxxx", b"\xff\xfe\x81x"
    )
    (tmp_path / "s.zip").write_bytes(raw)
    found = collect(tmp_path / "s.zip", roster=None)
    assert who(found) == HONEST and len(found.problems) == 1
    folder = tmp_path / "inbox"
    fill(folder, **{"emmy/pruning.ipynb": PRUNING})
    (folder / os.fsdecode(b"\xff\xfe")).mkdir()
    (folder / os.fsdecode(b"\xff\xfe") / "pruning.ipynb").write_bytes(PRUNING)
    found = collect(folder, roster=None)
    assert who(found) == HONEST and found.problems[0].isprintable()


def test_names_with_a_mark_for_utf_8_that_are_none(tmp_path):
    """A student's own zip cannot be read then, and the others can."""
    inner = packed({"pruning.ipynb": PRUNING, "ä.txt": b""}).replace("ä".encode(), b"\xff\xff")
    pack(tmp_path / "s.zip", {"ada.zip": inner, "emmy/pruning.ipynb": PRUNING})
    one_problem(collect(tmp_path / "s.zip"), "no zip that can be read")


class TestFolders:
    def test_links(self, tmp_path):
        fill(tmp_path / "secret", **{"pruning.ipynb": PRUNING})
        fill(tmp_path / "inbox", **{"emmy/pruning.ipynb": PRUNING})
        (tmp_path / "inbox" / "ada").symlink_to(tmp_path / "secret")
        one_problem(collect(tmp_path / "inbox"), "symbolic link")
        (tmp_path / "inbox" / "ada").unlink()
        (tmp_path / "inbox" / "ada").mkdir()
        (tmp_path / "inbox" / "ada" / "pruning.ipynb").symlink_to(tmp_path / "secret" / "pruning.ipynb")
        one_problem(collect(tmp_path / "inbox"), "symbolic link")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
    def test_a_pipe_does_not_block(self, tmp_path):
        fill(tmp_path, **{"emmy/pruning.ipynb": PRUNING, "ada/x": b""})
        os.mkfifo(tmp_path / "ada" / "pruning.ipynb")
        one_problem(collect(tmp_path), "no plain file")

    def test_a_file_that_becomes_a_link_while_it_is_read(self, tmp_path):
        fill(tmp_path, **{"ada/pruning.ipynb": PRUNING, "secret": b"secret"})
        (found,) = [one for one in files.folder(tmp_path, print) if one.suffix == ".ipynb"]
        (tmp_path / "ada/pruning.ipynb").unlink()
        (tmp_path / "ada/pruning.ipynb").symlink_to(tmp_path / "secret")
        with pytest.raises(files.Unusable, match="cannot be read"):
            found.load(100)

    def test_a_folder_called_like_a_notebook(self, tmp_path):
        fill(tmp_path, **{"emmy/pruning.ipynb": PRUNING, "ada/pruning.ipynb/readme.txt": b""})
        one_problem(collect(tmp_path), "is a folder, no notebook")

    def test_deep_folders(self, tmp_path):
        fill(tmp_path, **{"emmy/pruning.ipynb": PRUNING, f"{'a/' * 40}pruning.ipynb": PRUNING})
        one_problem(collect(tmp_path), "folders deep")

    def test_what_editors_and_systems_leave(self, tmp_path):
        names = [".ipynb_checkpoints/pruning.ipynb", "__MACOSX/._pruning.ipynb", ".hidden.ipynb", "Thumbs.db"]
        fill(
            tmp_path / "inbox",
            **{f"ada/{name}": PRUNING for name in names},
            **{"emmy/pruning.ipynb": PRUNING},
        )
        found = collect(tmp_path / "inbox")
        assert who(found) == HONEST and not found.problems


@pytest.mark.parametrize("part", ["1_" * 300, "a_" * 300 + "1", "_attempt_" * 200, "+" * 500, "LATE_" * 150])
def test_names_made_to_take_long(part):
    assert Standing(LABS, None).claims(("inbox", part, part)) is not None


def test_hostile_metadata_beside_notebooks(tmp_path):
    made = {
        "pruning.ipynb": PRUNING,
        "manifest.json": b"[" * 100_000,
        "submission_metadata.yml": b"{" * 100_000,
        "timestamp.txt": b"9" * 5000,
    }
    pack(tmp_path / "s.zip", {"noetheremmy_102_7_x.zip": packed(made)})
    found = collect(tmp_path / "s.zip")
    assert who(found) == HONEST
    assert all(len(one) < 600 for one in found.problems)


def test_reading_stops_at_the_limit_whatever_the_entry_claims():
    raw = packed({"a.ipynb": os.urandom(5000)})
    with archives.archive(io.BytesIO(raw), ("s.zip",), 1, print) as (file,):
        assert len(file.load(5000)) == 5000
        with pytest.raises(files.Unusable, match="at most"):
            file.load(4999)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_damage_of_a_zip(tmp_path_factory, data):
    """Whatever is flipped, cut or overwritten: a sentence, or what can still be read."""
    raw = bytearray(packed({"ada/pruning.ipynb": PRUNING, "emmy.zip": packed({"pruning.ipynb": PRUNING})}))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.sampled_from([0, 1, 2, 4]))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.mktemp("zip") / "s.zip"
    path.write_bytes(raw)
    try:
        found = collect(path)
    except EfflabError:
        return
    assert not any("cannot be taken in" in one for one in found.problems)
    assert all(one.isprintable() for one in found.problems)
    assert all(one.notebook in {b"", PRUNING} for one in found.attempts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_any_names(parts):
    (found,) = Standing(LABS, CLASS).claims((*parts, "pruning.ipynb"))
    assert isinstance(found.own, str)


@pytest.mark.parametrize(
    "head", ["", "a_", "1_1_", "anon_", "01-", "a+b+", "x_attempt_", "assignment_", "x (1) "]
)
@pytest.mark.parametrize(
    "part", ["a", "1", "_", "1_", "-", ".", " ", "(", "+", "pruning", "LATE_", '"grade_id"']
)
def test_no_name_is_searched_for_long(head, part):
    # A zip's names have at most 500 characters; these have twenty times as many.
    name = head + part * (10_000 // len(part)) + "\0"
    start = time.process_time()
    whose.platform(name, folder=True)
    whose.platform(name, folder=False)
    whose.plain((name, name, name), LABS)
    with contextlib.suppress(EfflabError):
        which.which((name, name), name.encode(), LABS, None)
    assert time.process_time() - start < 10
