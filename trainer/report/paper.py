"""The paper's own numbers, as it printed them, by name of network.

Ghafurian et al., "Classification of Protein Crystallization X-Ray Images Using Major
Convolutional Neural Network Architectures" (2018): Tables 1, 2 and 3 and section 3. They were
measured on 204,801 augmented records of an internal set of 486,000 micrographs, which nobody else
has: they are shown beside ours, and are no yardstick for them. All are shares, 0 to 1.
"""

from collections.abc import Mapping, Sequence

from schemas.labels import PAPER10

CITATION = (
    "S. Ghafurian, P. Orth, C. Strickland, H. Su, S. Patel, S. Soisson, B. Dogdas: Classification "
    "of Protein Crystallization X-Ray Images Using Major Convolutional Neural Network "
    "Architectures (2018)"
)
APART = "paper, on its own 486,000 micrographs: not comparable"


def _shares(*percents: float) -> tuple[float, ...]:
    return tuple(round(number / 100, 6) for number in percents)


# Table 1: best validation accuracy during training; testing accuracy at top-1, top-2, top-3.
TABLE_1: Mapping[str, tuple[float, ...]] = {
    "crystalnet": _shares(73.72, 74.16, 88.18, 93.35),
    "lcn": _shares(77.41, 78.64, 92.24, 95.83),
    "alexnet": _shares(74.88, 75.87, 91.65, 96.18),
    "vgg16": _shares(78.64, 79.39, 92.49, 96.18),
    "vgg19": _shares(77.89, 78.70, 91.91, 95.76),
    "inception_v3": _shares(79.40, 79.57, 94.13, 97.47),
    "resnet32": _shares(80.57, 80.98, 95.47, 98.77),
    "resnet56": _shares(81.43, 81.40, 95.94, 98.85),
}

# Table 2: accuracy of each label, in the order of PAPER10 (which is the table's).
TABLE_2: Mapping[str, tuple[float, ...]] = {
    "resnet56": _shares(98.1, 96.6, 89.9, 89.3, 81.0, 69.2, 61.1, 78.0, 86.8, 65.4),
    "resnet32": _shares(97.6, 96.6, 90.7, 88.7, 80.4, 69.8, 56.2, 76.0, 88.1, 67.1),
    "inception_v3": _shares(97.7, 95.7, 89.6, 85.3, 79.2, 68.6, 63.0, 78.4, 79.4, 60.7),
    "vgg19": _shares(97.2, 96.5, 91.8, 82.3, 79.4, 68.8, 52.9, 70.3, 85.3, 64.9),
    "vgg16": _shares(97.2, 96.9, 91.9, 83.6, 78.5, 67.9, 54.7, 72.6, 87.0, 65.9),
    "alexnet": _shares(95.8, 92.6, 91.1, 84.0, 73.4, 62.8, 54.1, 71.9, 77.2, 58.4),
    "lcn": _shares(96.1, 94.0, 88.8, 84.3, 79.7, 68.8, 67.2, 75.7, 67.9, 64.9),
    "crystalnet": _shares(95.3, 95.1, 90.1, 78.6, 75.5, 62.2, 49.3, 66.3, 77.4, 55.1),
}
# Table 2's last row: the average over the labels.
TABLE_2_AVERAGE: Mapping[str, float] = {
    name: share / 100
    for name, share in {
        "resnet56": 81.5,
        "resnet32": 81.1,
        "inception_v3": 79.8,
        "vgg19": 79.0,
        "vgg16": 79.6,
        "alexnet": 76.1,
        "lcn": 78.7,
        "crystalnet": 74.5,
    }.items()
}

# Table 3: area under the ROC curve of each label against the rest, in the order of PAPER10.
TABLE_3: Mapping[str, tuple[float, ...]] = {
    "resnet56": (0.999, 0.999, 0.996, 0.995, 0.989, 0.962, 0.944, 0.977, 0.989, 0.966),
    "resnet32": (0.999, 0.998, 0.996, 0.995, 0.989, 0.961, 0.941, 0.974, 0.989, 0.964),
    "inception_v3": (0.998, 0.998, 0.996, 0.989, 0.987, 0.941, 0.926, 0.968, 0.977, 0.935),
}

# Missed crystals at top-1, top-2, top-3, as printed; no false-alarm rate is given for any.
MISSED: Mapping[str, tuple[str, ...]] = {"resnet56": ("5.9", "0.8", "<0.1")}

# What to know before comparing anything with it. Those after the first are contradictions
# between its text and its tables, or between its words and the field's.
REMARKS = (
    "Its accuracies are of balanced, augmented records: for all eight networks top-1 equals the "
    "mean of Table 2's ten labels within a third of a point. That is a mean over labels, not the "
    "share of a day's images that is named right: of those, 9 % have crystals.",
    "The “81.43 %” of its abstract, and the testing accuracies “80.57 %” (ResNet-32) and “79.40 %” "
    "(Inception-V3) of its text, are Table 1's validation column; tested, they are 81.40, 80.98 "
    "and 79.57 %.",
    "“Medium crystal with an average error of 67.31 %” is that label's accuracy, not its error.",
    "“Approximately half of microcrystal images were misclassified as phase separation” cannot be "
    "of all: with ResNet-56, Table 2 leaves 38.9 % of them for every error together.",
    "Missed crystals are 6 % in one place and 5.9 % in another, “less than 0.1 %” and 0.0 % at "
    "top-3. No false-alarm rate stands beside them; five of ten labels are crystals, so even "
    "random ranking misses only 8.3 % at top-3, and flags 91.7 % of all other images.",
    "Learning rate, momentum, weight decay, width of the Gaussian, fill of rotated corners, and "
    "the layers of CrystalNet and LCN are not given.",
    "The images are called X-ray images; they are micrographs in visible light. “Clear” is "
    "described as a missing drop; elsewhere it is a drop with nothing in it.",
)


def applies_to(labels: Sequence[str]) -> bool:
    """Returns whether labels are the paper's ten, in its order."""
    return tuple(labels) == PAPER10.names
