"""Decoders against independent oracles, and against files made to deceive them."""

import gzip
import io
import itertools
import os
import pickle
import struct
import tarfile
import wave

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from efflab.data import decode, speech, text
from efflab.data.fetch import repack
from efflab.data.split import lengths_of
from efflab.errors import DataError, EfflabError


def idx_file(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def wav_file(samples: np.ndarray, channels: int = 1, width: int = 2, rate: int = 8000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(samples.astype(f"<i{width}").tobytes())
    return buffer.getvalue()


@given(st.lists(st.integers(0, 5), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_idx_round_trip(shape, seed):
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(decode.idx(idx_file(array), rank=3), array)


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "begins with , expected 00000803"),
        (struct.pack(">HBBIII", 0, 8, 3, 2, 2, 2) + bytes(7), r"names \(2, 2, 2\), 8 bytes, but 7 follow"),
        (struct.pack(">HBBIII", 0, 8, 3, 2, 2, 2) + bytes(9), "8 bytes, but 9 follow"),
        # 65536 * 65536 * 1 would be 0 in 32 bits.
        (struct.pack(">HBBIII", 0, 8, 3, 65536, 65536, 1), "4294967296 bytes, but 0 follow"),
        (struct.pack(">HBBIII", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "but 0 follow"),
        (struct.pack(">HBBII", 0, 8, 2, 2, 2) + bytes(8), "begins with 00000802"),
        (struct.pack(">HBBIII", 0, 13, 3, 1, 1, 1) + bytes(4), "begins with 00000d03"),
        (struct.pack(">HBBI", 0, 8, 3, 1), "and 3 sizes"),
    ],
)
def test_idx_headers_are_not_trusted(raw, complaint):
    with pytest.raises(DataError, match=complaint):
        decode.idx(gzip.compress(raw, mtime=0), rank=3)


@pytest.mark.parametrize(
    "packed",
    [b"", b"no gzip", gzip.compress(bytes(1000), mtime=0)[:-12], b"\x1f\x8b\x08" + bytes(60)],
    ids=["empty", "no gzip", "cut", "no content"],
)
def test_a_damaged_gzip_is_one_sentence(packed):
    with pytest.raises(DataError, match="an IDX file is damaged"):
        decode.idx(packed, rank=3)


def test_images_and_labels_must_belong_together():
    images, labels = np.zeros((3, 2, 2), np.uint8), np.array([1, 2, 9], np.uint8)
    good = decode.idx_images(idx_file(images), idx_file(labels))
    assert (good.images.shape, good.labels.tolist()) == ((3, 1, 2, 2), [1, 2, 9])
    for wrong in (labels[:2], labels + np.uint8(1)):
        with pytest.raises(DataError, match="labels 0 to 9"):
            decode.idx_images(idx_file(images), idx_file(wrong))


def cifar_pickle(images: np.ndarray, labels: list[int]) -> bytes:
    """With the module names that NumPy had when CIFAR-10 was written."""
    content = pickle.dumps({b"data": images, b"labels": labels}, protocol=3)
    return content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_a_batch_of_cifar():
    images = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    batch = decode.cifar_batch(cifar_pickle(images, [0, 1, 2, 9]))
    assert np.array_equal(batch.images.reshape(4, -1), images)
    assert batch.images.shape == (4, 3, 32, 32)
    assert (batch.labels.tolist(), batch.labels.dtype) == ([0, 1, 2, 9], np.int64)


@pytest.mark.parametrize(
    ("shape", "dtype", "labels"),
    [
        ((2, 3072), np.uint8, [0, 10]),
        ((2, 3072), np.uint8, [-1, 0]),
        ((2, 3072), np.uint8, [0]),
        ((2, 3071), np.uint8, [0, 1]),
        ((2, 3072), np.int8, [0, 1]),
        ((2, 3072), object, [0, 1]),
        ((2, 3072), np.uint8, ["0", "1"]),
        ((2, 3072), np.uint8, [0.0, 1.0]),
    ],
)
def test_arrays_that_are_no_batch_are_refused(shape, dtype, labels):
    with pytest.raises(DataError, match="expected uint8 images of 3072 bytes and labels 0 to 9"):
        decode.cifar_batch(cifar_pickle(np.zeros(shape, dtype), labels))


class Command:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_a_command_is_refused(tmp_path, protocol):
    with pytest.raises(DataError, match=r"a pickle is refused: it names (posix|nt).system"):
        decode.cifar_batch(pickle.dumps([Command(tmp_path / "ran")], protocol=protocol))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\x80\x02cnumpy\nndarray\n.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n.",
        pickle.dumps([]),
        b"\x80\x02}(U\x04dataK\x01U\x06labels]u.",
        b"\x80\x02}(U\x04dataNU\x06labels]K\x03au.",
    ],
)
def test_what_is_no_batch_is_one_sentence(content):
    with pytest.raises(DataError, match=r"a CIFAR-10 batch is damaged|a pickle is refused"):
        decode.cifar_batch(content)


@pytest.mark.parametrize(
    "name", ["eval", "numpy.core.multiarray scalar", "numpy load", "numpy.core.multiarray fromfile"]
)
def test_only_the_three_names_of_an_array_are_admitted(name):
    module, _, attribute = name.rpartition(" ")
    content = f"c{module or 'builtins'}\n{attribute}\n.".encode()
    with pytest.raises(DataError, match=f"names {module or 'builtins'}.{attribute}"):
        decode.cifar_batch(content)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_bytes_get_past_the_decoders_as_anything_but_a_data_error(content):
    for decoder in (
        decode.cifar_batch,
        lambda c: decode.idx(gzip.compress(c, 0, mtime=0), rank=1),
        speech.read_wave,
    ):
        try:
            decoder(content)
        except DataError:
            continue


def test_mel_filters_are_triangles_that_leave_no_band_empty():
    filters = speech.mel_filters()
    assert filters.shape == (40, 129)
    assert ((filters >= 0) & (filters <= 1)).all()
    assert (filters.sum(1) > 0).all()
    peaks = filters.argmax(1)
    assert (np.diff(peaks) >= 0).all()
    # Between the first and the last peak, neighbours add up to one.
    assert np.allclose(filters.sum(0)[peaks[0] + 1 : peaks[-1]], 1)


def test_log_mel_against_torch_stft():
    signal = np.random.default_rng(0).uniform(-1, 1, 4321)
    padded = torch.nn.functional.pad(torch.hann_window(200, dtype=torch.float64), (0, 56))
    ours = speech.log_mel(signal)
    # torch frames whole transforms of 256, so that the last windows of 200 are only ours.
    spectrum = torch.stft(torch.from_numpy(signal), 256, 80, window=padded, center=False, return_complex=True)
    theirs = torch.log((spectrum.abs().square().T @ torch.from_numpy(speech.mel_filters()).T).clamp(min=1e-6))
    assert ours.shape == (1 + (4321 - 200) // 80, 40)
    assert np.allclose(ours[: len(theirs)], theirs, atol=1e-9)


def test_a_tone_is_loudest_in_its_own_band():
    tone = np.sin(2 * np.pi * 1000 * np.arange(2000) / 8000)
    band = speech.mel_filters()[:, 32].argmax()  # bin 32 of 256 points is 1 kHz
    assert (speech.log_mel(tone).argmax(1) == band).all()


def test_silence_and_a_short_recording_have_features():
    assert np.allclose(speech.log_mel(np.zeros(200)), np.log(1e-6))
    assert speech.log_mel(np.zeros(3)).shape == (1, 40)


def test_wav_samples_and_formats():
    samples = np.array([0, 16384, -32768])
    assert speech.read_wave(wav_file(samples)).tolist() == [0, 0.5, -1]
    for wrong in ({"channels": 2}, {"width": 4}, {"rate": 16000}):
        with pytest.raises(DataError, match=r"expected \(1, 2, 8000\)"):
            speech.read_wave(wav_file(np.zeros(4), **wrong))
    with pytest.raises(DataError, match="no WAV file"):
        speech.read_wave(b"RIFF")


def recordings_tar(*, shuffled: bool = False, owner: str = "") -> tarfile.TarFile:
    rng = np.random.default_rng(0)
    members = [
        (f"top/recordings/{digit}_ann_{index}.wav", wav_file(rng.integers(-9999, 9999, 400 + 80 * digit)))
        for digit, index in itertools.product(range(2), (0, 4, 5, 49))
    ]
    members.append(("top/README.md", owner.encode()))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name, content in reversed(members) if shuffled else members:
            member = tarfile.TarInfo(name)
            member.size, member.uname, member.mtime = len(content), owner, len(owner)
            out.addfile(member, io.BytesIO(content))
    return tarfile.open(fileobj=io.BytesIO(buffer.getvalue()))


def test_repacking_depends_on_names_and_content_alone():
    one = repack(recordings_tar(), "top/recordings/")
    assert one == repack(recordings_tar(shuffled=True, owner="somebody"), "top/recordings/")
    with tarfile.open(fileobj=io.BytesIO(one)) as packed:
        assert packed.getnames() == sorted(packed.getnames())
        assert len(packed.getnames()) == 8


def test_recordings_are_split_by_their_index_and_kept():
    recordings = speech.from_tar(repack(recordings_tar(), "top/recordings/"))
    assert recordings.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert recordings.test.tolist() == [True, True, False, False] * 2
    assert recordings.lengths.tolist() == [3] * 4 + [4] * 4
    padded = torch.from_numpy(speech.pad(recordings))
    assert padded.shape == (8, 4, 40)
    assert lengths_of(padded).tolist() == recordings.lengths.tolist()


def test_kept_features_come_back_and_damaged_ones_do_not(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path))
    recordings = speech.from_tar(repack(recordings_tar(), "top/recordings/"))
    assert speech.cached("digest") is None
    speech.keep(recordings, "digest")
    kept = speech.cached("digest")
    assert all(np.array_equal(a, b) for a, b in zip(kept, recordings, strict=True))
    (path,) = (tmp_path / "features").iterdir()
    whole = path.read_bytes()
    for damaged in (
        b"",
        whole[: len(whole) // 2],
        bytes(len(whole)),
        whole[:400] + b"\xff" * 9 + whole[409:],
    ):
        path.write_bytes(damaged)
        assert speech.cached("digest") is None


def test_features_that_cannot_be_kept_are_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path / "file"))
    speech.keep(speech.from_tar(repack(recordings_tar(), "top/recordings/")), "digest")


@given(st.integers(2, 60), st.integers(1, 7), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_windows_follow_one_another_and_predict_each_token_once(count, batch, length):
    data = text.TextData("t", torch.arange(count), torch.arange(0), torch.arange(0), ("a",))
    steps = count // batch
    if steps < 2:
        with pytest.raises(EfflabError, match=f"came batch_size={batch}, length={length}"):
            data.windows("train", batch, length)
        return
    windows = data.windows("train", batch, length)
    pairs = list(windows)
    assert len(pairs) == len(windows)
    assert all(torch.equal(x + 1, y) and x.shape[1] <= length for x, y in pairs)
    assert torch.equal(torch.cat([y for _, y in pairs], dim=1), windows.streams[:, 1:])
    assert torch.equal(torch.cat([x for x, _ in windows], dim=1), windows.streams[:, :-1])


def test_windows_of_an_unknown_split_are_refused():
    data = text.characters("t", "abcd" * 5, (10, 5, 5))
    with pytest.raises(EfflabError, match="came 'valid'"):
        data.windows("valid", 2, 2)
    assert repr(data) == "TextData(t, train=10, validation=5, test=5, vocabulary=4)"


def test_words_are_numbered_as_they_first_appear():
    data = text.words("w", " a b \n \n", "b c\n", "a\n")
    assert data.vocabulary == ("a", "b", "<eos>", "c")
    assert data.train.tolist() == [0, 1, 2, 2]
    assert data.decode(data.validation) == "b c <eos>"
