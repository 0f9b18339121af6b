"""The confusion matrix of the paper's Figure 3."""

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.patches import Rectangle

from trainer.report import wording
from trainer.report.canvas import WIDTH, finish, make_canvas, short_name
from trainer.report.comparison import NamedRun
from trainer.report.facts import View
from trainer.report.section import Figure
from trainer.report.svg import COLOURS, style
from trainer.report.wording import NOTHING

# Cells of a matrix and their texts keep their colours in the dark: none is of the stylesheet.
_FAINT, _INKS = "#eef1f1", ("#000000", "#ffffff")
_HEAT = LinearSegmentedColormap.from_list("heat", [_FAINT, "#2a6f9c"])
_MISSED_HEAT = LinearSegmentedColormap.from_list("missed", [_FAINT, "#b8651c"])


def confusion_figure(run: NamedRun, view: View, *, caption: str) -> Figure:
    """Returns a confusion matrix: true labels are columns, predicted ones rows, as in the paper."""
    names = [wording.visible(wording.cut(name, 20)) for name in run.evaluation.labels]
    labels = run.evaluation.labels
    crystals = {x for x, name in enumerate(labels) if name in run.evaluation.crystal_labels}
    with style():
        canvas, axes = make_canvas(height=WIDTH * 0.94)
        for y, row in enumerate(view.confusion):
            for x, share in enumerate(row):
                if share is None:
                    axes.text(x, y, NOTHING, ha="center", va="center", color=COLOURS["muted"])
                else:
                    _cell(axes, (x, y), share, missed=x in crystals and y not in crystals)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xticks(
            range(len(names)), names, rotation=90, rotation_mode="anchor", ha="left", va="center"
        )
        axes.set_yticks(range(len(names)), names)
        for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
            for number, tick in enumerate(ticks):
                tick.set_color(COLOURS["crystal-text" if number in crystals else "ink"])
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("label by the expert")
        axes.set_ylabel(f"label by {short_name(run, 20)}")
        alt = f"Confusion matrix of {run.name}; its numbers are in figure3-{run.key}.csv."
        return finish(canvas, (run,), f"figure3-{run.key}", caption, alt=alt, legend=False)


def cell_colours(share: float, *, missed: bool) -> tuple[str, str]:
    """Returns the colours of a cell and of the text on it, whichever ink stands out more.

    Args:
        share: per cent of the column, 0 to 100.
        missed: whether the cell is of crystals given no crystal label.
    """
    # below a half, differences matter more than at the top
    back = to_hex((_MISSED_HEAT if missed else _HEAT)(min(1.0, share / 100) ** 0.7))
    return back, max(_INKS, key=lambda ink: contrast(ink, back))


def contrast(one: str, other: str) -> float:
    """Returns how much two colours stand out from each other, 1 to 21 (WCAG 2.2).

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(colour)
    )
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def _cell(axes: Axes, place: tuple[int, int], share: float, *, missed: bool) -> None:
    """Draws a cell of a matrix; from half a per cent on it has a number."""
    x, y = place
    back, ink = cell_colours(share, missed=missed)
    axes.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=back, edgecolor="none"))
    if share >= 0.5:
        axes.text(x, y, f"{share:.0f}", ha="center", va="center", color=ink, fontsize=9)
