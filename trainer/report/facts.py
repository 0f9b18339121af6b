"""What a report shows of one run: the numbers of its evaluation, its training, what made it."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval.

    Attributes:
        value: the number.
        low: lower end, or None where there is no interval.
        high: upper end, likewise.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Data:
    """A version of a dataset.

    Attributes:
        name: name of the dataset.
        version: its number.
        digest: of all bytes of all its records.
        origins: images by where they come from; drawn plates are "drawn".
    """

    name: str
    version: str
    digest: str
    origins: Mapping[str, int]

    @property
    def title(self) -> str:
        """Name and number."""
        return f"{self.name} {self.version}"


@dataclasses.dataclass(frozen=True)
class Missed:
    """Crystals missed and other images flagged, if the first n labels may name a crystal.

    Attributes:
        missed: share of crystal images without a crystal label among the first n.
        false_alarms: share of all others that have one.
        random_missed: the first, were labels ranked at random.
        random_false_alarms: the second, likewise.
    """

    missed: Interval | None
    false_alarms: Interval | None
    random_missed: float
    random_false_alarms: float


@dataclasses.dataclass(frozen=True)
class View:
    """The numbers of a split, its records weighted in one way.

    Attributes:
        weight: sum of the weights.
        top: accuracy at top-1, top-2, top-3, as far as there are as many labels.
        per_label: accuracy of each label; None where it has no image.
        macro_recall: mean of those.
        confusion: per cent of each true label (column) given each label (row); a column without
            images is None throughout.
        label_weights: sum of the weights of each true label.
        auc: area under the ROC curve of each label against the rest.
        missed: at top-1, top-2, top-3; empty where no label means a crystal.
    """

    weight: float
    top: tuple[Interval | None, ...]
    per_label: tuple[Interval | None, ...]
    macro_recall: Interval | None
    confusion: tuple[tuple[float | None, ...], ...]
    label_weights: tuple[float, ...]
    auc: tuple[Interval | None, ...]
    missed: tuple[Missed, ...]

    @property
    def top1(self) -> Interval | None:
        """Accuracy at top-1."""
        return self.top[0] if self.top else None


@dataclasses.dataclass(frozen=True)
class Workload:
    """How many images a person looks at who takes the likeliest crystals first.

    Attributes:
        recall: share of crystals wanted, such as 0.99; its threshold is the validation split's.
        chosen_on: crystals in that split, or None where it has none.
        achieved: share found with that threshold.
        images_per_1000: images above it, of 1,000.
    """

    recall: float
    chosen_on: int | None
    achieved: Interval | None
    images_per_1000: Interval | None


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points of a curve from left to right, both coordinates from 0 to 1."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"a curve has {len(self.x)} x and {len(self.y)} y")


@dataclasses.dataclass(frozen=True)
class Crystal:
    """The numbers of P(any crystal) of single records, each image weighted once.

    Attributes:
        prevalence: share of images with crystals.
        crystals: how many have them.
        roc: false alarms and recall.
        auc: area under it.
        precision_recall: recall and precision.
        average_precision: area under it.
        workload: one entry a recall wanted.
    """

    prevalence: float
    crystals: int
    roc: Curve
    auc: Interval | None
    precision_recall: Curve
    average_precision: Interval | None
    workload: tuple[Workload, ...]


@dataclasses.dataclass(frozen=True)
class Bin:
    """Records whose most likely label has a probability in one range."""

    confidence: float
    accuracy: float
    count: float


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say.

    Attributes:
        ece: expected calibration error, 0 to 1.
        temperature: divisor of the logits, fitted on validation; None without that split.
        ece_after: the error with it, likewise.
        bins: what the error is the mean of.
        bins_after: the same with the temperature; empty without it.
    """

    ece: float
    temperature: float | None
    ece_after: float | None
    bins: tuple[Bin, ...]
    bins_after: tuple[Bin, ...]


@dataclasses.dataclass(frozen=True)
class Split:
    """The numbers of one split.

    Attributes:
        records: how many it has.
        images: of how many images those are.
        groups: of how many groups.
        images_per_label: images of each label.
        views: `balanced`, `natural`, `per_image`, and `per_group` where groups have several.
        calibration: of records, each counting once.
        calibration_natural: the same records, each image counting once.
        crystal: P(any crystal) of one view of each image; None where there is nothing to rank.
    """

    records: int
    images: int
    groups: int
    images_per_label: tuple[int, ...]
    views: Mapping[str, View]
    calibration: Calibration | None
    calibration_natural: Calibration | None
    crystal: Crystal | None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """An `evaluation.json`; `trainer.evaluation` says what each field is."""

    arch: str
    title: str
    reconstruction: bool
    width: float
    labels: tuple[str, ...]
    crystal_labels: frozenset[str]
    trained_on: Data
    evaluated_on: Data
    drawn: bool
    best_epoch: int
    epochs: int
    recipe: str
    training_seconds: float | None
    parameters: int
    device: str
    splits: Mapping[str, Split]

    def __post_init__(self) -> None:
        labels = len(self.labels)
        if "test" not in self.splits:
            raise ValueError("there are no numbers of the test split")
        for split in self.splits.values():
            if "balanced" not in split.views:
                raise ValueError("a split has no view balanced")
            for view in split.views.values():
                rows = {len(row) for row in view.confusion}
                lists = (view.per_label, view.auc, view.confusion, view.label_weights)
                if {*map(len, lists), *rows} != {labels}:
                    raise ValueError(f"a view is not of the {labels} labels")

    @property
    def test(self) -> Split:
        """The numbers of the test split."""
        return self.splits["test"]

    def view(self, name: str, split: str = "test") -> View | None:
        """Returns a view of a split, if there is one."""
        return self.splits[split].views.get(name) if split in self.splits else None


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What was measured at the end of one epoch of training; None where it was not."""

    number: int
    loss: float | None
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """All that a report shows of one run.

    Attributes:
        folder: where it is, as it was given.
        evaluation: its numbers.
        history: its training, an entry an epoch.
        finished: whether it was trained to the end.
        config: fields of all that decides its weights, with their values as texts.
        environment: the same of what it ran on.
    """

    folder: str
    evaluation: Evaluation
    history: tuple[Epoch, ...]
    finished: bool
    config: Mapping[str, str]
    environment: Mapping[str, str]
