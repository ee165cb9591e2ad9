"""One palette for every figure: told apart by colour-blind readers, readable on light and on dark pages.

The five line colours differ in lightness as well as in hue, so that they stay apart in print and under each form of
colour blindness; text keeps a contrast of at least 7 to 1 and every mark of 3 to 1 against the figure's own opaque
face (WCAG 2.2, success criteria 1.4.6 and 1.4.11). Figures never speak by colour alone: lines carry markers and
dashes, removed weights a hatching.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Colours of a figure, as ``#rrggbb``.

    Attributes:
        face: the opaque background.
        text: titles, labels and numbers.
        muted: axes and secondary text.
        grid: grid lines, which nobody has to read.
        stop: red, for what stands still.
        series: five line colours, in the order they are used.
    """

    face: str
    text: str
    muted: str
    grid: str
    stop: str
    series: tuple[str, str, str, str, str]

    @property
    def kept(self) -> str:
        """What stays: weights above the threshold."""
        return self.series[0]

    @property
    def removed(self) -> str:
        """What goes: weights below the threshold."""
        return self.series[1]


palette = Palette(
    face="#ffffff",
    text="#1c1e21",
    muted="#565b63",
    grid="#dfe2e6",
    stop="#c8102e",
    series=("#166ee8", "#d94c00", "#06382a", "#c0709c", "#5b1a6e"),
)
dark_palette = Palette(
    face="#16181d",
    text="#eceef1",
    muted="#a9afb8",
    grid="#343942",
    stop="#ff5d5d",
    series=("#7d8cff", "#d0601a", "#3ae39a", "#b48aa9", "#e3f266"),
)

# Marks that stand on the page itself, whose colour nobody knows: at least 3 to 1 on white and on black-ish pages.
GOOD, BAD, NOTE = "#1a8754", "#c8501e", "#3a7fc1"


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, from 0 (black) to 1 (white); WCAG 2.2, "relative luminance".

    >>> luminance("#ffffff")
    1.0
    """
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return round(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2], 12)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, from 1 to 21; WCAG 2.2, "contrast ratio".

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
