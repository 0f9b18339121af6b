"""Figures of accuracies, and of missed crystals over false alarms."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from trainer.report.canvas import finish, look, make_canvas, short_name
from trainer.report.comparison import NamedRun
from trainer.report.facts import Interval, View
from trainer.report.section import Figure
from trainer.report.svg import COLOURS, style

# Marker, edge and fill of what stands first, second and third on a line.
_LOOKS = (("o", "run-0", "run-0"), ("s", "run-0", "page"), ("D", "crystal", "crystal"))
_Point = tuple[float, float]  # shares


def tops_figure(runs: Sequence[NamedRun], *, caption: str) -> Figure:
    """Returns accuracies at top-1, top-2, top-3 on balanced records, a line a run."""

    def top(run: NamedRun, n: int) -> Interval | None:
        tops = run.evaluation.test.views["balanced"].top
        return tops[n] if n < len(tops) else None

    columns = [(f"top-{n + 1}", [top(run, n) for run in runs]) for n in range(3)]
    return _dotted(runs, columns, key="accuracy-tops", axis="accuracy, %", caption=caption)


def views_figure(
    runs: Sequence[NamedRun], views: Sequence[tuple[str, str]], *, caption: str
) -> Figure:
    """Returns top-1 accuracies with their intervals, a line a run.

    Args:
        runs: the runs.
        views: name and title of up to three views.
        caption: what it shows, on which data.
    """
    found = [(title, [run.evaluation.view(name) for run in runs]) for name, title in views]
    columns = [(title, [view.top1 if view else None for view in of]) for title, of in found]
    return _dotted(runs, columns, key="accuracy-views", axis="top-1 accuracy, %", caption=caption)


def missed_figure(runs: Sequence[NamedRun], view: str, *, caption: str) -> Figure:
    """Returns missed crystals over false alarms at top-1, top-2, top-3, a line a run."""
    with style():
        canvas, axes = make_canvas()
        found = [(run, of) for run in runs if (of := run.evaluation.view(view)) and of.missed]
        for number, points in enumerate(sorted({_random_points(of) for _, of in found})):
            label = None if number else "random ranking"
            _three(axes, points, label=label, color=COLOURS["muted"], linestyle=":")
            for n, (x, y) in enumerate(points, start=1):
                axes.annotate(
                    f"top-{n}",
                    (100 * x, 100 * y),
                    xytext=(-6, -4),
                    textcoords="offset points",
                    ha="right",
                    fontsize=8,
                    color=COLOURS["muted"],
                )
        for run, of in found:
            _three(axes, _own_points(of), label=short_name(run), **look(run))
        axes.set_xlim(-1, 101)
        axes.set_ylim(bottom=-1)
        axes.set_xlabel("other images flagged (false alarms), %")
        axes.set_ylabel("crystals missed, %")
        alt = "Missed crystals over false alarms; the numbers are those of the table below."
        return finish(canvas, runs, f"missed-{view.replace('_', '-')}", caption, alt=alt)


def _dotted(
    runs: Sequence[NamedRun],
    columns: Sequence[tuple[str, Sequence[Interval | None]]],
    *,
    key: str,
    axis: str,
    caption: str,
) -> Figure:
    """Returns up to three numbers of each run as dots with intervals, beside chance at top-1."""
    with style():
        canvas, axes = make_canvas(height=1.5 + 0.5 * len(runs))
        for number, ((title, values), looks) in enumerate(zip(columns, _LOOKS, strict=False)):
            offset = 0.22 * (number - (len(columns) - 1) / 2)
            _dots(axes, [(y + offset, v) for y, v in enumerate(values) if v], title, looks)
        labels = {len(run.evaluation.labels) for run in runs}
        if len(labels) == 1:
            share = 100 / labels.pop()
            axes.axvline(share, color=COLOURS["muted"], linestyle=":", label="chance, top-1")
        axes.set_yticks(range(len(runs)), [short_name(run) for run in runs])
        axes.set_ylim(len(runs) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, 100)
        axes.set_xlabel(axis)
        alt = f"{axis}: dots with intervals; the numbers are those of the tables."
        return finish(canvas, runs, key, caption, alt=alt)


def _dots(
    axes: Axes,
    found: Sequence[tuple[float, Interval]],
    title: str,
    looks: tuple[str, str, str],
) -> None:
    shape, edge, fill = looks
    for y, top in found:
        if top.low is not None and top.high is not None:
            ends = (100 * top.low, 100 * top.high)
            axes.plot(ends, (y, y), color=COLOURS[edge], linewidth=1.1)
    axes.plot(
        [100 * top.value for _, top in found],
        [y for y, _ in found],
        linestyle="none",
        marker=shape,
        color=COLOURS[edge],
        markerfacecolor=COLOURS[fill],
        markersize=5,
        label=title,
    )


def _three(
    axes: Axes,
    points: Sequence[_Point],
    *,
    label: str | None,
    color: str,
    linestyle: Any,
) -> None:
    """Draws a line through points; their markers are those of top-1, top-2, top-3."""
    x, y = [100 * point[0] for point in points], [100 * point[1] for point in points]
    axes.plot(x, y, color=color, linestyle=linestyle, label=label)
    for place, (shape, _, _) in zip(zip(x, y, strict=True), _LOOKS, strict=False):
        axes.plot(*place, color=color, marker=shape)


def _own_points(view: View) -> tuple[_Point, ...]:
    return tuple(
        (of.false_alarms.value, of.missed.value)
        for of in view.missed
        if of.false_alarms and of.missed
    )


def _random_points(view: View) -> tuple[_Point, ...]:
    return tuple((of.random_false_alarms, of.random_missed) for of in view.missed)
