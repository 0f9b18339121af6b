"""Figures of curves: P(any crystal), calibration, training."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from trainer.report.canvas import finish, look, make_canvas, shares, short_name
from trainer.report.comparison import NamedRun
from trainer.report.facts import Bin, Crystal, Curve, Epoch
from trainer.report.section import Figure
from trainer.report.svg import COLOURS, style


def roc_figure(runs: Sequence[NamedRun], *, caption: str) -> Figure:
    """Returns the ROC curves of P(any crystal)."""
    with style():
        canvas, axes = make_canvas()
        axes.plot((0, 100), (0, 100), color=COLOURS["muted"], linestyle=":", label="random ranking")
        for run, curve in _curves(runs, lambda crystal: crystal.roc):
            _draw(axes, run, curve)
        shares(axes, "other images flagged (false alarms), %", "crystals found (recall), %")
        return finish(canvas, runs, "roc", caption, alt="ROC curves of P(any crystal).")


def precision_recall_figure(runs: Sequence[NamedRun], *, caption: str) -> Figure:
    """Returns precision over recall of P(any crystal)."""
    with style():
        canvas, axes = make_canvas()
        crystals = [run.evaluation.test.crystal for run in runs]
        for number, share in enumerate(sorted({of.prevalence for of in crystals if of})):
            label = "random ranking" if number == 0 else None
            axes.axhline(100 * share, color=COLOURS["muted"], linestyle=":", label=label)
        for run, curve in _curves(runs, lambda crystal: crystal.precision_recall):
            _draw(axes, run, curve)
        shares(axes, "crystals found (recall), %", "crystals among flagged images (precision), %")
        alt = "Precision over recall of P(any crystal)."
        return finish(canvas, runs, "precision-recall", caption, alt=alt)


def calibration_figure(runs: Sequence[NamedRun], *, after: bool, caption: str) -> Figure:
    """Returns accuracy over confidence, without or with the temperature."""
    with style():
        canvas, axes = make_canvas()
        axes.plot((0, 100), (0, 100), color=COLOURS["muted"], linestyle=":", label="as it should")
        for run in runs:
            of = run.evaluation.test.calibration
            bins: Sequence[Bin] = (of.bins_after if after else of.bins) if of else ()
            axes.plot(
                [100 * one.confidence for one in bins],
                [100 * one.accuracy for one in bins],
                marker="o",
                label=short_name(run),
                **look(run),
            )
        shares(axes, "probability of the likeliest label, %", "how often it is right, %")
        key = f"calibration-{'after' if after else 'before'}"
        return finish(canvas, runs, key, caption, alt="Accuracy over confidence.")


def training_figure(
    runs: Sequence[NamedRun],
    what: Callable[[Epoch], float | None],
    *,
    key: str,
    axis: str,
    caption: str,
    percent: bool = False,
) -> Figure:
    """Returns a measure of every epoch, a line a run, with a dot at the epoch that was kept.

    Args:
        runs: the runs.
        what: the measure, of an epoch; epochs without it are left out.
        key: name of the figure.
        axis: what the measure is.
        caption: what it shows, on which data.
        percent: whether it is a share, to be drawn in per cent.
    """
    with style():
        canvas, axes = make_canvas()
        factor, highest = 100 if percent else 1, 0.0
        for run in runs:
            points = {
                epoch.number: factor * value
                for epoch in run.facts.history
                if (value := what(epoch)) is not None
            }
            best = run.evaluation.best_epoch
            highest = max([highest, *points.values()])
            axes.plot(
                list(points),
                list(points.values()),
                marker="o",
                markevery=[number for number, epoch in enumerate(points) if epoch == best],
                label=short_name(run),
                **look(run),
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(0, 1.08 * highest or 1)
        axes.set_xlabel("epoch")
        axes.set_ylabel(axis)
        return finish(canvas, runs, key, caption, alt=f"{axis} by epoch.")


def _curves(
    runs: Sequence[NamedRun], what: Callable[[Crystal], Curve]
) -> list[tuple[NamedRun, Curve]]:
    crystals = [(run, run.evaluation.test.crystal) for run in runs]
    return [(run, what(crystal)) for run, crystal in crystals if crystal]


def _draw(axes: Axes, run: NamedRun, curve: Curve) -> None:
    x, y = [100 * share for share in curve.x], [100 * share for share in curve.y]
    axes.plot(x, y, label=short_name(run), **look(run))
