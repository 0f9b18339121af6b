"""How the runs were trained, and whether their probabilities can be believed."""

from trainer.report.accuracy import marks
from trainer.report.comparison import Comparison, NamedRun
from trainer.report.curves import calibration_figure, training_figure
from trainer.report.section import Block, Figure, Figures, Section, Text
from trainer.report.table import Column, Row, Table, Unit, Value
from trainer.report.wording import duration


def calibration_section(comparison: Comparison) -> Section:
    """Returns expected calibration errors and reliability diagrams."""
    runs = [run for run in comparison.runs if run.evaluation.test.calibration]
    if not runs:
        return Section("calibration", "Calibration", "Calibration", (Text("No run has it."),))
    text = (
        "Of records whose likeliest label has a probability of 80 %, 80 % should have it by the "
        "expert. The expected calibration error is the mean distance from that, over 15 bins of "
        "records. A temperature above 1 says that the network was too sure of itself; it is "
        "fitted on the validation split and changes no order of labels. What it cannot mend is "
        "that balanced training saw crystals more often than plates have them: that is the error "
        "at natural prevalence."
    )
    where = f"{comparison.data_phrase()}, balanced records"
    figures = Figures(
        (
            calibration_figure(runs, after=False, caption=f"As trained: {where}."),
            calibration_figure(runs, after=True, caption=f"With the temperature: {where}."),
        )
    )
    columns = (
        Column("Error as trained, %", "ece"),
        Column("Temperature", "temperature", Unit.NUMBER, 2),
        Column("Error with it, %", "ece_after"),
        Column("The same at natural prevalence, %", "ece_after_natural"),
    )
    rows = tuple(
        Row(run.name, (of.ece, of.temperature, of.ece_after, _natural(run)), marks(run))
        for run in runs
        if (of := run.evaluation.test.calibration)
    )
    table = Table("calibration", f"Expected calibration error, {where}", "Network", columns, rows)
    return Section(
        "calibration", "Calibration", "Calibration", (Text(text), figures, table), (table,)
    )


def _natural(run: NamedRun) -> float | None:
    """Returns the error with the temperature where every image counts once."""
    of = run.evaluation.test.calibration_natural
    return of.ece_after if of else None


def training_section(comparison: Comparison) -> Section:
    """Returns the curves of the trainings and what they took."""
    text = (
        "The weights of the best validation epoch were kept (the dot). The loss is the mean "
        "cross-entropy in nats, without what a recipe adds to it; ln(labels) is chance."
    )
    blocks: list[Block] = [Text(text)]
    with_curves = [run for run in comparison.runs if run.facts.history]
    if with_curves:
        blocks.append(Figures(_curves(comparison, with_curves)))
    table = _training_table(comparison)
    return Section("training", "Training", "Training", (*blocks, table), (table,))


def _curves(comparison: Comparison, runs: list[NamedRun]) -> tuple[Figure, ...]:
    suffix = " of drawn plates" if comparison.drawn else ""
    return (
        training_figure(
            runs,
            lambda epoch: epoch.loss,
            key="loss-training",
            axis="loss on the training split",
            caption=f"Loss on the training split{suffix}.",
        ),
        training_figure(
            runs,
            lambda epoch: epoch.validation_loss,
            key="loss-validation",
            axis="loss on the validation split",
            caption=f"Loss on the validation split{suffix}.",
        ),
        training_figure(
            runs,
            lambda epoch: epoch.accuracy,
            key="accuracy-training",
            axis="training accuracy, %",
            caption=f"Top-1 accuracy on the training split{suffix}.",
            percent=True,
        ),
        training_figure(
            runs,
            lambda epoch: epoch.validation_accuracy,
            key="accuracy-validation",
            axis="validation accuracy, %",
            caption=f"Top-1 accuracy on the validation split{suffix}.",
            percent=True,
        ),
    )


def _training_table(comparison: Comparison) -> Table:
    columns = (
        Column("Recipe", "recipe", Unit.TEXT),
        Column("Epochs", "epochs", Unit.COUNT),
        Column("Kept", "best_epoch", Unit.COUNT),
        Column("Parameters", "parameters", Unit.COUNT),
        Column("Time", "time", Unit.TEXT),
        Column("Device", "device", Unit.TEXT),
    )
    rows = tuple(Row(run.name, _training(run), marks(run)) for run in comparison.runs)
    return Table("training", "Training of the runs", "Network", columns, rows)


def _training(run: NamedRun) -> tuple[Value, ...]:
    of = run.evaluation
    time = None if of.training_seconds is None else duration(of.training_seconds)
    return (
        of.recipe,
        float(of.epochs),
        float(of.best_epoch),
        float(of.parameters),
        time,
        of.device,
    )
