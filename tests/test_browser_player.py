"""The player of the EIE machine in Chromium, driven as its benchmark drives it."""

import pytest
from conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_layer_on_64_pes_is_drawn_in_every_picture(chromium: str, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import eie_player

    figure = eie_player.alex7()
    assert figure.pes == 64 and figure.outputs
    assert len(eie_player.frames(figure, chromium, pictures=5)) == 5
