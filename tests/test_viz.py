"""Figures: contrast and colour blindness of the palette, alternative text, what the helpers draw."""

import base64
import io
import itertools
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.image import imread

from efflab import viz
from efflab.errors import EfflabError
from efflab.viz.colours import BAD, GOOD, NOTE

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
PALETTES = pytest.mark.parametrize("colours", [viz.palette, viz.dark_palette], ids=["light", "dark"])


def linear(colour: str) -> np.ndarray:
    """Linear RGB of #rrggbb, from the sRGB definition."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def ratio(first: str, second: str) -> float:
    """WCAG contrast, computed here by NumPy."""
    a, b = sorted(float(linear(one) @ [0.2126, 0.7152, 0.0722]) for one in (first, second))
    return (b + 0.05) / (a + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB, white point D65."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    x = to_xyz @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@PALETTES
def test_everything_contrasts_with_the_opaque_face(colours: viz.Palette) -> None:
    assert ratio(colours.text, colours.face) >= 7
    assert ratio(colours.muted, colours.face) >= 4.5
    for colour in (colours.stop, *colours.series):
        assert ratio(colour, colours.face) >= 3
        assert viz.contrast(colour, colours.face) == pytest.approx(ratio(colour, colours.face))


def test_marks_on_the_page_itself_show_on_white_and_on_dark() -> None:
    for colour, page in itertools.product((GOOD, BAD, NOTE), (viz.palette.face, viz.dark_palette.face)):
        assert ratio(colour, page) >= 3


@PALETTES
@pytest.mark.parametrize("blindness", BLINDNESS)
def test_line_colours_stay_apart_for_colour_blind_readers(colours: viz.Palette, blindness: str) -> None:
    seen = [lab(np.asarray(BLINDNESS[blindness]) @ linear(one)) for one in colours.series]
    # A distance of 20 in CIELAB is told apart at a glance; 2.3 is just noticeable.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


def test_style_is_left_behind_and_opaque() -> None:
    before = dict(mpl.rcParams)
    with viz.style() as colours:
        figure, _ = viz.new_figure()
    assert dict(mpl.rcParams) == before
    assert figure.get_facecolor() == mpl.colors.to_rgba(colours.face)


def test_show_carries_alternative_text_and_an_opaque_image(capsys: pytest.CaptureFixture[str]) -> None:
    figure = viz.histogram(np.random.default_rng(0).normal(size=500), threshold=0.5)
    drawn = viz.picture(figure, alt='Weights; "middle" < removed')
    bundle = drawn._repr_mimebundle_()
    assert 'alt="Weights; &quot;middle&quot; &lt; removed"' in bundle["text/html"]
    assert bundle["text/plain"] == 'Weights; "middle" < removed'
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', bundle["text/html"])
    pixels = imread(io.BytesIO(base64.b64decode(data)))
    assert (pixels[..., 3] == 1).all()
    viz.show(figure, alt="Some weights")
    assert capsys.readouterr().out == "Some weights\n"


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_a_figure_without_alternative_text_is_refused(alt: str | None) -> None:
    figure, _ = viz.new_figure()
    with pytest.raises(EfflabError, match="alt must say in words"):
        viz.picture(figure, alt=alt)


def test_histogram_counts_every_weight_and_marks_what_goes() -> None:
    weights = [torch.randn(20, 30), torch.randn(50)]
    figure = viz.histogram(weights, threshold=0.7, bins=51)
    (axes,) = figure.axes
    assert axes.patches[0].get_data().values.sum() == 650
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches[1:] if bar.get_width() > 0]
    assert min(low for low, _ in spans) == pytest.approx(-0.7)
    assert max(high for _, high in spans) == pytest.approx(0.7)


def test_curve_draws_the_mean_and_the_whole_spread() -> None:
    runs = np.array([[1.0, 2, 3], [3, 2, 7]])
    figure = viz.curve([0, 1, 2], {"runs": runs}, references={"paper": 2.5})
    line, reference = figure.axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), [2, 2, 5])
    assert set(reference.get_ydata()) == {2.5}
    edges = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == (1, 7)


def test_roofline_bends_at_the_ridge() -> None:
    figure = viz.roofline(100, 20, {"net": (2, 30)})
    x, y = figure.axes[0].lines[0].get_data()
    assert (x[1], y[1]) == (5, 100)
    np.testing.assert_allclose(y[0] / x[0], 20)
    peak = next(text for text in figure.axes[0].texts if text.get_text().startswith("peak"))
    assert peak.xyann[1] > 0  # above its line


@pytest.mark.parametrize(("x", "whole"), [(range(1, 6), True), ([0.5, 1.0, 1.5], False)])
def test_whole_numbers_get_whole_ticks(x, whole: bool) -> None:
    figure = viz.curve(x, {"loss": [1.0] * len(list(x))})
    ticks = figure.axes[0].xaxis.get_major_locator().tick_values(min(x), max(x))
    assert bool((ticks % 1 == 0).all()) is whole


def test_layers_writes_each_number_beside_its_bar() -> None:
    figure = viz.layers(["conv1", "fc1"], {"weights": [500, 400_000], "kept (%)": [66, None]})
    written = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert written == ["500", "400,000", "66", "–"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: viz.histogram(torch.tensor([1.0, float("nan")])), "1 that are not finite"),
        (lambda: viz.histogram([]), "no weights"),
        (lambda: viz.curve([0, 1], {"a": [1, 2, 3]}), "must end in 2 points"),
        (lambda: viz.roofline(0, 1), "above zero"),
        (lambda: viz.layers(["a"], {"b": [1, 2]}), "must have 1 values"),
    ],
)
def test_bad_data_is_refused_in_one_sentence(call, words: str) -> None:
    with pytest.raises(EfflabError, match=words):
        call()


def test_the_palette_alone_loads_no_drawing_library() -> None:
    script = "import sys, efflab.viz as v; v.palette.kept; print('matplotlib' in sys.modules, 'anywidget' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
