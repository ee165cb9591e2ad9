"""A copy of an answer is found however it is renamed, reformatted or wrapped; honest text is left alone."""

import ast
import html
import inspect
import json
import shutil

import nbformat
import pytest
from fixtures import sample_checks, sample_mutants

from autograder import leaks
from autograder import notebook as nb
from autograder.fingerprints import SHORTEST, Index, canonical, code_tokens

LAB = "00-sample"
HIDDEN = {
    "sample_checks.py": inspect.getsource(sample_checks),
    "sample_mutants.py": inspect.getsource(sample_mutants),
}


@pytest.fixture(scope="module")
def labs(request):
    path = request.config.rootpath / "tests" / "fixtures" / "solutions" / LAB / "sample.md"
    return [(LAB, nb.read(path.read_text()))]


@pytest.fixture(scope="module")
def index(labs):
    return leaks.lab_index(labs, HIDDEN)


SOLUTION = """
    drop = int(round(sparsity * weight.size))
    order = np.argsort(np.abs(weight), axis=None, kind="stable")
    mask = np.ones(weight.size, dtype=bool)
    mask[order[:drop]] = False
    return mask.reshape(weight.shape)
"""
RENAMED = """
def prune(w, s):
    k = int(round(s * w.size))  # how many go
    idx = np.argsort(np.abs(w), axis=None, kind='stable')

    keep = np.ones(w.size, dtype=bool)
    keep[idx[:k]] = False
    return keep.reshape(w.shape)
"""
REFORMATTED = """
def prune(w, s):
        k=(int( round(s*w.size) ))
        idx = np.argsort(
            np.abs(w),
            axis=None, kind="s",
        )
        keep = np.ones( (w.size), dtype = bool ) ; keep[idx[:k]]=False
"""
PART = "i = np.argsort(np.abs(a), axis=None, kind='stable')\nb = np.ones(a.size, dtype=bool)\n"


@pytest.mark.parametrize("text", [SOLUTION, RENAMED, REFORMATTED, PART, ast.unparse(ast.parse(RENAMED))])
def test_copies_of_a_solution_are_found(index, text):
    found = index.search(f"Some words before, which don't matter.\n{text}\nAnd after it.")
    assert "the solution sample-1-solution of 00-sample" in found


def test_every_hidden_function_and_every_prose_answer_is_found(index, labs):
    for node in ast.parse(HIDDEN["sample_checks.py"]).body:
        if isinstance(node, ast.FunctionDef):
            assert f"{node.name} of sample_checks.py" in index.search(ast.unparse(node))
    answer = "A weight near ZERO adds almost\n nothing to the <b>sum</b> it takes part in".replace("<b>", "")
    assert "the model answer sample-1-explain of 00-sample" in index.search(answer.replace("</b>", ""))
    rubric = "one for mentioning the retraining afterwards; saying that the contribution of a small weight is small, one"
    assert "a rubric of 00-sample" in index.search(rubric)


HONEST = [
    "import numpy as np\nimport torch\nfrom efflab import models\nimport matplotlib.pyplot as plt\n",
    "for i in range(10):\n    print(i)\nfor epoch in range(epochs):\n    for x, y in loader:\n        optimizer.zero_grad()\n",
    "loss = torch.nn.functional.cross_entropy(model(x), y)\nloss.backward()\noptimizer.step()\n",
    "mask = torch.ones_like(weight, dtype=torch.bool)\nreturn mask\n",
    "fig, ax = plt.subplots()\nax.plot(x, y)\nax.set_xlabel('sparsity')\nax.set_ylabel('error')\n",
    "A weight near zero is dropped, and nothing else of the sum it takes part in is changed at all.",
    "rng = np.random.default_rng(0)\nweight = rng.normal(size=(4, 5))\ngot = keep_largest(weight, 0.5)\n",
]


@pytest.mark.parametrize("text", HONEST)
def test_short_generic_code_and_other_prose_are_left_alone(index, text):
    assert index.search(text) == {}


def test_a_region_too_short_to_tell_is_not_looked_for():
    index = Index()
    index.add_code("return weight * mask", "short")
    assert index.code == {}
    index.add_code("a = b[c] + d[e] * f[g]", "long enough")
    assert [len(window) for window in index.code] == [len(code_tokens("a = b[c] + d[e] * f[g]"))]
    assert len(next(iter(index.code))) >= SHORTEST


def test_names_are_told_apart_by_their_order_alone():
    one, other = canonical(code_tokens("a = b.size + a")), canonical(code_tokens("x = y.size + x"))
    assert one == other
    assert one != canonical(code_tokens("a = b.size + b"))
    assert one != canonical(code_tokens("a = b.shape + a"))
    assert code_tokens("1e-5 + 1_000 + 0x10 + 007") == code_tokens("0.00001 + 1000 + 16 + 007")


def test_the_released_lab_is_clean_and_its_source_is_not(labs, index):
    (_, source), *_ = labs
    assert leaks.scan_notebook("lab", nb.release(source), index) == []
    found = {leak.origin for leak in leaks.scan_notebook("source", source, index)}
    assert "a marker of the lab's source" in found
    assert "the solution sample-1-solution of 00-sample" in found
    assert "the model answer sample-1-explain of 00-sample" in found


def test_outputs_and_metadata_of_a_notebook_are_read_too(labs, index):
    notebook = nb.release(labs[0][1])
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    code.outputs = [nbformat.v4.new_output("stream", name="stdout", text=RENAMED)]
    (leak, *_) = leaks.scan_notebook("lab.ipynb", notebook, index)
    assert leak.file == "lab.ipynb"
    assert "cell" in leak.place
    assert "sample-1-solution" in str(leak)


def test_given_code_of_a_lab_is_public_only_where_it_is_tagged(labs):
    source = nb.read(nb.SOLUTIONS and _text(labs, "")), nb.read(_text(labs, "[given]"))
    for notebook, clean in zip(source, (False, True), strict=True):
        index = leaks.lab_index([(LAB, notebook)], HIDDEN)
        found = leaks.scan_notebook("lab", nb.release(notebook), index)
        assert (found == []) is clean


def _text(labs, tags):
    header = "---\nkernelspec:\n  name: efflab\n  display_name: efflab\n---\n\n"
    solution = next(c for c in labs[0][1].cells if nb.is_solution(c)).source
    given = f"```{{code-cell}} python\n:tags: {tags or '[]'}\n{RENAMED}\n```\n"
    meta = '{"grade_id": "sample-1-solution", "solution": true}'
    return f"{header}{given}\n```{{code-cell}} python\n:nbgrader: {meta}\n{solution}\n```\n"


def page(code):
    """As Pygments writes it: every token in an element of its own."""
    spans = "".join(
        f"<span class='n'>{html.escape(part)}</span>" for part in code.split(" ") for part in (part, " ")
    )
    return (
        f"<html><head><script>var x = 1;</script></head><body><p>Words.</p><pre>{spans}</pre></body></html>"
    )


def test_pages_are_read_through_their_markup(index):
    assert leaks.scan_html("page.html", page(RENAMED), index)
    assert leaks.scan_html("page.html", page(HONEST[0]), index) == []
    state = json.dumps({"state": {"code": RENAMED}}).replace("\\n", "\n")
    assert leaks.scan_html("page.html", f"<script type='application/json'>{state}</script>", index)
    assert leaks.scan_html("page.html", f"<style>{RENAMED}</style><p>x</p>", index) == []


def test_the_book_may_show_the_package_and_the_released_labs_and_nothing_else(labs):
    released = next(cell.source for cell in labs[0][1].cells if nb.is_check(cell))
    book = leaks.public_index(labs, HIDDEN, ["def theirs(a, b):" + SOLUTION.replace("weight", "a")])
    lab = leaks.lab_index(labs, HIDDEN)
    assert leaks.scan_html("book.html", page(RENAMED), book) == []
    assert leaks.scan_html("lab.html", page(RENAMED), lab)
    assert leaks.scan_html("book.html", page(released), book) == []
    oracle = inspect.getsource(sample_checks.oracle)
    assert leaks.scan_html("book.html", page(oracle), book)


def test_the_command_scans_a_folder_and_fails_on_a_leak(labs, tmp_path, root, capsys):
    shutil.copytree(root / "tests" / "fixtures" / "solutions", tmp_path / "solutions")
    book = tmp_path / "book"
    book.mkdir()
    (book / "index.html").write_text(page(HONEST[1]))
    arguments = [str(book), "--root", str(tmp_path)]
    assert leaks.main(arguments) == 0
    (book / "chapter.html").write_text(page(RENAMED))
    (book / "lab.ipynb").write_bytes(nb.to_bytes(labs[0][1]))
    assert leaks.main(arguments) == 1
    told = capsys.readouterr().out
    assert "chapter.html, text: holds the solution sample-1-solution of 00-sample" in told
    assert "lab.ipynb, file: holds a marker of the lab's source" in told
    with pytest.raises(SystemExit):
        leaks.main([str(tmp_path / "nothing")])


def test_the_repositorys_own_labs_are_clean(root):
    """Every released notebook as it stands, against every solution, check and mutant of all topics."""
    labs = [(lab.name, nb.read(lab.source.read_text())) for lab in nb.find(root)]
    index = leaks.lab_index(labs, leaks.hidden_code(root))
    assert [str(leak) for leak in leaks.scan_path(root / "labs", index)] == []
