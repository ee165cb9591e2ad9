"""How long the player of the EIE machine takes for a picture, in headless Chromium.

The layer is Alex-7 on 64 PEs. A picture is all that follows a new cycle: the machine's state, words, counters, every canvas
drawn, and one pixel of each read back, so that nothing is left for later.
"""

import json
import shutil
import statistics
from typing import Any

import numpy as np

from efflab import eie, viz

PICTURES = 400

# A page with the figure in it, as wide as the book's text, and a model that holds the traits.
_PAGE = "<!doctype html><html lang=en><style>body {{ width: 760px }} {css}</style><body><div id=figure></div></body></html>"
_SHOW = """async ({ esm, traits, pictures }) => {
  const module = await import(URL.createObjectURL(new Blob([esm], { type: 'text/javascript' })));
  const heard = new Map();
  const model = {
    get: (key) => traits[key],
    set: (key, value) => { traits[key] = value; (heard.get(`change:${key}`) || []).forEach((f) => f()); },
    save_changes: () => {},
    on: (name, f) => heard.set(name, [...(heard.get(name) || []), f]),
    off: () => {},
  };
  const el = document.getElementById('figure');
  module.default.render({ model, el });
  await new Promise((done) => setTimeout(done, 500));
  const canvases = [...el.querySelectorAll('canvas')];
  const read = () => canvases.map((one) => one.getContext('2d').getImageData(one.width >> 1, one.height >> 1, 1, 1).data[3]);
  const last = Number(el.querySelector('input[type=range]').max);
  const times = [];
  for (let i = 0; i < pictures; i += 1) {
    const cycle = Math.floor((last * (i + 1)) / pictures);
    const start = performance.now();
    model.set('cycle', cycle);
    read();
    times.push(performance.now() - start);
    await new Promise((done) => requestAnimationFrame(done));
  }
  const drawn = canvases.every((one) => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some(Boolean));
  return { times, drawn, cycle: Number(el.querySelector('input[type=range]').value), last, canvases: canvases.length };
}"""


def chromium() -> str | None:
    """Path of a Chromium or Chrome; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def alex7() -> viz.EiePlayer:
    """The layer with weights and inputs of drawn values, so that the output's picture is there too."""
    drawn, rng = eie.BENCHMARKS["alex-7"], np.random.default_rng(0)
    pattern, machine = drawn.pattern(), eie.Machine()
    codes = rng.integers(1, 1 << machine.code_bits, pattern.nonzeros).astype(np.uint8)
    codebook = np.append(0, rng.normal(size=(1 << machine.code_bits) - 1))
    return viz.EiePlayer(
        eie.Layer(pattern, codes, codebook, machine), drawn.active() * rng.random(drawn.inputs)
    )


def frames(figure: Any, path: str, pictures: int = PICTURES) -> list[float]:
    """Time a figure's pictures, evenly spaced over its run.

    Args:
        figure: the player.
        path: of a Chromium.
        pictures: how many.

    Returns:
        Milliseconds of each.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where a browser is driven

    traits = {
        name: getattr(figure, name)
        for name in figure.trait_names(sync=True)
        if not name.startswith("_") and name not in {"layout", "tabbable", "tooltip", "comm"}
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_content(_PAGE.format(css=figure._css))  # noqa: SLF001 - what anywidget gives the page
            given = {"esm": figure._esm, "traits": json.loads(json.dumps(traits)), "pictures": pictures}  # noqa: SLF001
            found = page.evaluate(_SHOW, given)
        finally:
            browser.close()
    assert found["drawn"], "a canvas stayed empty"
    assert found["cycle"] == found["last"], "the figure did not follow"
    return [float(one) for one in found["times"]]


def frame_ms(path: str) -> tuple[float, tuple[float, float]]:
    """Median milliseconds of a picture, with the 5th and the 95th of a hundred."""
    times = frames(alex7(), path)
    shares = statistics.quantiles(times, n=20)
    return statistics.median(times), (shares[0], shares[-1])
