"""What all figures share: size, legend, names and colours of runs."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from trainer.report import wording
from trainer.report.comparison import NamedRun
from trainer.report.section import Figure
from trainer.report.svg import COLOURS, colour, dash, to_svg

WIDTH, _HEIGHT = 5.2, 3.7  # inches: a text of 9 points is readable from 350 pixels on
_LONGEST = 30  # characters of a name in a figure


def make_canvas(*, height: float = _HEIGHT) -> tuple[Canvas, Axes]:
    """Returns an empty figure of some height in inches, inside of `svg.style`."""
    canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
    return canvas, canvas.add_subplot()


def finish(
    canvas: Canvas,
    runs: Sequence[NamedRun],
    key: str,
    caption: str,
    *,
    alt: str,
    legend: bool = True,
) -> Figure:
    """Returns a figure with its legend; of drawn plates, it says so wherever it is copied to."""
    axes = canvas.axes[0]
    if any(run.evaluation.drawn for run in runs):
        axes.set_title("drawn plates: no result on crystals", loc="left", color=COLOURS["look"])
    handles, names = axes.get_legend_handles_labels()
    if legend and handles:
        longest = max(map(len, names))
        columns = 1 if longest > 24 else 2 if longest > 15 else 3
        canvas.legend(handles, names, loc="outside lower left", ncols=columns, handlelength=2.4)
    return Figure(key, caption, alt, to_svg(canvas, key))


def short_name(run: NamedRun, longest: int = _LONGEST) -> str:
    """Returns the name of a run as figures have it."""
    mark = f" ({run.mark})" if run.mark else ""
    return wording.visible(wording.cut(run.name, longest)) + mark


def look(run: NamedRun) -> dict[str, Any]:
    """Returns colour and dashes of a run's line, the same in all figures."""
    return {"color": colour(run.number), "linestyle": dash(run.number)}


def shares(axes: Axes, x: str, y: str) -> None:
    """Makes both axes go from 0 to 100 %, and names them."""
    axes.set_xlim(0, 101)
    axes.set_ylim(0, 101)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
