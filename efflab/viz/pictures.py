"""Showing a figure with its alternative text: an image that a screen reader can read out and that no cell shows twice."""

import base64
import html
import io
import sys
from dataclasses import dataclass

from matplotlib.figure import Figure

from efflab.errors import EfflabError
from efflab.viz.output import Output
from efflab.viz.styles import DPI


@dataclass(frozen=True)
class Picture:
    """A drawn figure.

    Attributes:
        png: the image.
        width: width in CSS pixels.
        alt: what the figure shows, in words.
    """

    png: bytes
    width: int
    alt: str

    @property
    def html(self) -> str:
        """The image as HTML that needs no other file."""
        data = base64.b64encode(self.png).decode()
        return (
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt, quote=True)}" '
            f'width="{self.width}" style="max-width:100%;height:auto">'
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """HTML for notebook and book, the alternative text for everything else."""
        del include, exclude
        return {"text/html": self.html, "text/plain": self.alt}


def picture(fig: Figure, *, alt: str) -> Picture:
    """Draw a figure into an image with alternative text.

    Args:
        fig: a matplotlib figure, from :mod:`efflab.viz` or your own.
        alt: what a reader who cannot see it must know: what is drawn against what, and what it shows.

    Returns:
        The picture; as the last line of a cell it shows itself.

    Raises:
        EfflabError: ``alt`` is empty.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise EfflabError(f"alt must say in words what the figure shows, got {alt!r}")
    if not isinstance(fig, Figure):
        raise EfflabError(f"fig must be a matplotlib figure, got {type(fig).__name__}")
    stream = io.BytesIO()
    fig.savefig(stream, format="png", dpi=DPI, facecolor=fig.get_facecolor(), metadata={"Software": None})
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close(fig)  # else the notebook would show it once more, without its text
    return Picture(stream.getvalue(), round(fig.get_figwidth() * 96), " ".join(alt.split()))


def show(fig: Figure, *, alt: str) -> None:
    """Show a figure with alternative text in a notebook or in the book; elsewhere print that text.

    Args:
        fig: a matplotlib figure.
        alt: what the figure shows, in words.

    Raises:
        EfflabError: ``alt`` is empty.
    """
    drawn = picture(fig, alt=alt)
    Output(drawn.html, drawn.alt).show()
