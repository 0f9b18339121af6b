"""Numbers of an evaluation: worked out by hand, and properties that hold for any predictions."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, recall_score, top_k_accuracy_score

from tests.trainer_evaluation_tables import CRYSTALS, ROWS, simulated, table_of, tables
from trainer.errors import DataError, DivergedError
from trainer.evaluation.accuracy import random_missed, view_facts
from trainer.evaluation.calibration import (
    COLDEST,
    HOTTEST,
    Bin,
    calibrated_probabilities,
    calibration_bins,
    crystal_probability,
    expected_calibration_error,
    fit_temperature,
)
from trainer.evaluation.crystals import (
    MOST_POINTS,
    Screen,
    choose_thresholds,
    make_screens,
    screen_facts,
    thin,
)
from trainer.evaluation.evaluate import evaluate_tables
from trainer.evaluation.intervals import draw_resamples
from trainer.evaluation.views import make_views

pytestmark = pytest.mark.filterwarnings("error")


def values(facts):
    """Returns the numbers of a list of intervals."""
    return [fact if fact is None else pytest.approx(fact["value"]) for fact in facts]


@pytest.fixture(scope="module")
def by_hand() -> dict:
    """The numbers of `ROWS`: five records of four images in three groups."""
    table = table_of(ROWS)
    resamples = draw_resamples(table.groups, resamples=20)
    return {
        name: view_facts(view, crystal_labels=CRYSTALS, resamples=resamples)
        for name, view in make_views(table).items()
    }


# top-1, 2, 3 · recall of each label · AUC of each label · missed and false alarms at top-1, 2.
# Guesses in order: a 0-1, b 0-1 and 1-0 (mean: 1-0), c 0-1, d 1-2. In `natural` the records of
# b count half; in `per_group` the images a and d do.
EXPECTED = {
    "balanced": (5, [2 / 5, 3 / 5, 1], [1 / 2, 1 / 2, 0], [3 / 6, 5 / 6, 0], 2 / 3, 1 / 2),
    "natural": (4, [1.5 / 4, 2 / 4, 1], [1 / 2, 1 / 2, 0], [1.5 / 4, 5 / 6, 0], 3 / 4, 1 / 2),
    "per_image": (4, [2 / 4, 2 / 4, 1], [1 / 2, 1, 0], [1 / 4, 1, 0], 1 / 2, 1 / 2),
    "per_group": (3, [1.5 / 3, 1.5 / 3, 1], [1 / 2, 1, 0], [1 / 4, 1, 0], 1 / 2, 1 / 2),
}


@pytest.mark.parametrize("view", EXPECTED)
def test_shares_worked_out_by_hand(by_hand, view):
    weight, top, recalls, auc, missed, alarms = EXPECTED[view]
    facts = by_hand[view]
    assert facts["weight"] == pytest.approx(weight)
    assert top == values(facts["top"])
    assert recalls == values(facts["per_label"])
    assert facts["macro_recall"]["value"] == pytest.approx(sum(recalls) / 3)
    assert auc == values(facts["auc"])
    first, second, third = facts["missed_crystals"]
    assert first["missed"]["value"] == pytest.approx(missed)
    assert first["false_alarms"]["value"] == pytest.approx(alarms)
    for row in (second, third):  # with two of three labels, some crystal label is always among
        assert (row["missed"]["value"], row["false_alarms"]["value"]) == (0, 1)


def test_a_confusion_matrix_worked_out_by_hand(by_hand):
    balanced, natural = by_hand["balanced"], by_hand["natural"]
    assert balanced["confusion_counts"] == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    assert balanced["confusion"] == [[50, 50, 100], [50, 50, 0], [0, 0, 0]]
    assert natural["confusion_counts"] == [[1, 0.5, 1], [1, 0.5, 0], [0, 0, 0]]


def test_a_label_that_is_not_there_has_no_numbers():
    table = table_of([row for row in ROWS if row[2] != 2])
    found = evaluate_tables({"validation": table}, crystal_labels=CRYSTALS, resamples=9)
    view = found["validation"]["views"]["balanced"]
    assert view["per_label"][2] is view["auc"][2] is None
    assert [row[2] for row in view["confusion"]] == [None] * 3
    assert view["macro_recall"]["value"] == pytest.approx(1 / 2)
    assert found["validation"]["images_per_label"] == [2, 1, 0]


@pytest.mark.parametrize("left", [0, 1])
def test_without_crystals_or_without_others_nothing_is_ranked(left):
    rows = [row for row in ROWS if row[2] == left]
    found = evaluate_tables({"validation": table_of(rows)}, crystal_labels={1, 2}, resamples=9)
    split = found["validation"]
    missed = split["views"]["balanced"]["missed_crystals"][0]
    assert (missed["missed"] is None, missed["false_alarms"] is None) == (left == 0, left == 1)
    assert split["crystal"] is None


def test_the_random_baseline_of_the_papers_labels():
    # five of ten labels are crystals
    assert [random_missed(10, 5, n) for n in (1, 2, 3)] == [1 / 2, 2 / 9, 1 / 12]
    assert random_missed(4, 1, 3) == 1 / 4
    assert random_missed(2, 1, 3) == 0  # all labels are among three guesses


def test_equal_logits_are_no_success():
    """Ties go to the first label: a network that says nothing is not right in its top-3."""
    rows = [(f"i{n}", f"g{n}", n, (1,) * 10) for n in range(10)]
    table = table_of(rows)
    facts = view_facts(
        make_views(table)["balanced"], crystal_labels={9}, resamples=draw_resamples(10, resamples=9)
    )
    assert values(facts["top"]) == [0.1, 0.2, 0.3]
    assert values(facts["auc"]) == [0.5] * 10


# Calibration.


def test_a_temperature_worked_out_by_hand():
    # nine to one, and right in three of four: sigmoid(ln 9 / T) = 3 / 4 at T = 2
    logits = np.tile([math.log(9), 0], (4, 1)).astype(np.float32)
    label = np.array([0, 0, 1, 0])
    assert fit_temperature(logits, label) == pytest.approx(2, abs=1e-6)
    before = calibration_bins(calibrated_probabilities(logits), label, np.ones(4))
    assert dataclasses.astuple(before[0]) == pytest.approx((0.9, 0.75, 4))
    assert expected_calibration_error(before) == pytest.approx(0.15)
    after = calibration_bins(calibrated_probabilities(logits, 2.0), label, np.ones(4))
    assert expected_calibration_error(after) == pytest.approx(0, abs=1e-7)


@settings(max_examples=50)
@given(tables())
def test_no_other_temperature_makes_the_labels_likelier(table):
    def cost(temperature):
        probabilities = calibrated_probabilities(table.logits, temperature)
        return log_loss(table.label, probabilities, labels=range(table.logits.shape[1]))

    best = fit_temperature(table.logits, table.label)
    assert COLDEST <= best <= HOTTEST
    for other in (COLDEST, 0.5 * best, 0.99 * best, 1.01 * best, 2 * best, HOTTEST):
        if COLDEST <= other <= HOTTEST:
            assert cost(best) <= cost(other) + 1e-9


def test_a_temperature_has_bounds():
    logits = np.array([[3, 0], [0, 3]], np.float32)
    assert fit_temperature(logits, np.array([0, 1])) == COLDEST  # always right
    assert fit_temperature(logits, np.array([1, 0])) == HOTTEST  # always wrong
    assert fit_temperature(np.ones((3, 2), np.float32), np.array([0, 1, 1])) == 1  # says nothing
    # right wherever it says something: rounding must not find a temperature there
    undecided = np.concatenate([np.full((7, 3), 0.7, np.float32), 4 * np.eye(3, dtype=np.float32)])
    assert fit_temperature(undecided, np.array([0, 1, 2, 0, 1, 2, 0, 0, 1, 2])) == COLDEST


def test_bins_are_closed_above_and_weighted():
    probabilities = np.array([[0.6, 0.4], [0.601, 0.399], [1.0, 0.0], [0.5, 0.5]])
    bins = calibration_bins(probabilities, np.array([0, 1, 0, 1]), np.array([1.0, 3, 2, 1]))
    assert bins == [Bin(0.5, 0, 1), Bin(0.6, 1, 1), Bin(0.601, 0, 3), Bin(1, 1, 2)]


@given(tables(), st.floats(0.05, 20))
def test_probabilities_are_shares_of_one_in_the_order_of_the_logits(table, temperature):
    probabilities = calibrated_probabilities(table.logits, temperature)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    crystal = crystal_probability(probabilities, {0, 1})
    assert ((crystal >= 0) & (crystal <= 1)).all()
    assert (
        np.diff(np.take_along_axis(probabilities, np.argsort(table.logits, axis=1), 1)) >= 0
    ).all()


def test_large_logits_do_not_overflow():
    found = calibrated_probabilities(np.array([[3e38, -3e38], [90.0, 50.0]], np.float32))
    assert found[0].tolist() == [1, 0]
    assert 0 < found[1, 1] < 1e-17


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_is_a_number_above_zero(temperature):
    with pytest.raises(ValueError, match="above 0"):
        calibrated_probabilities(np.zeros((1, 2)), temperature)


# P(any crystal).


def test_a_ranking_worked_out_by_hand():
    """P(crystal): a 0.4, b 0.5 and 0.9 (mean 0.7), c 0.3, d 0.8; b and c are crystals."""
    table = table_of(ROWS)
    screens = make_screens(table, CRYSTALS, temperature=None)
    expected = {  # AUC, average precision, threshold, to look at, prevalence, crystals
        "natural": (1.5 / 4, 0.25 + 0.25 * 1 / 2.5 + 0.5 * 0.5, 0.3, 1000, 1 / 2, 2),
        "per_image": (1 / 4, 1 / 2, 0.3, 1000, 1 / 2, 2),
        "per_group": (0, 0.5 * 1 / 2 + 0.5 * 2 / 3, 0.3, 1000, 2 / 3, 2),
    }
    # natural, best first: 0.9 (half a crystal), 0.8, 0.5 (half a crystal: 1 of 2), 0.4, 0.3
    expected["natural"] = (1.5 / 4, 0.25 * 1 + 0.25 * 1 / 2 + 0.5 * 2 / 4, 0.3, 1000, 1 / 2, 2)
    for name, (auc, precision, threshold, look, prevalence, crystals) in expected.items():
        screen = screens[name]
        facts = screen_facts(
            screen,
            thresholds=choose_thresholds(screen),
            resamples=draw_resamples(table.groups, resamples=9),
        )
        assert facts["roc"]["auc"]["value"] == pytest.approx(auc)
        assert facts["pr"]["average_precision"]["value"] == pytest.approx(precision)
        assert (facts["prevalence"], facts["crystals"]) == (pytest.approx(prevalence), crystals)
        for row in facts["workload"]:
            assert row["threshold"] == pytest.approx(threshold)
            assert row["images_per_1000"]["value"] == pytest.approx(look)
            assert row["achieved_recall"]["value"] == 1
            assert row["chosen_on"] == 2


def screen_of(scores, crystal) -> Screen:
    rows = len(scores)
    return Screen(np.array(scores, float), np.array(crystal, bool), np.ones(rows), np.arange(rows))


def test_a_threshold_is_the_highest_that_finds_enough():
    scores = np.linspace(0.01, 1, 100)
    screen = screen_of(np.concatenate([scores, scores]), np.arange(200) < 100)
    chosen = [threshold.score for threshold in choose_thresholds(screen)]
    assert chosen == pytest.approx([0.06, 0.02, 0.01])  # 95, 99, and 99.9: all of 100
    found = screen_facts(
        screen,
        thresholds=choose_thresholds(screen),
        resamples=draw_resamples(200, resamples=9),
    )
    first = found["workload"][0]
    assert first["achieved_recall"]["value"] == pytest.approx(0.95)
    assert first["images_per_1000"]["value"] == pytest.approx(950)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40))
def test_thresholds_have_their_recall_and_none_higher_has(rows):
    screen = screen_of(*zip(*rows, strict=True))
    chosen = choose_thresholds(screen)
    if not screen.crystal.any():
        assert chosen is None
        return
    crystals = screen.score[screen.crystal]
    for threshold in chosen:
        assert np.mean(crystals >= threshold.score) >= threshold.recall
        assert np.mean(crystals > threshold.score) < threshold.recall


def test_thresholds_come_from_validation():
    validation, test = simulated(300, seed=1), simulated(400, seed=2)
    found = evaluate_tables(
        {"validation": validation, "test": test}, crystal_labels={7, 8, 9}, resamples=9
    )
    alone = evaluate_tables({"test": test}, crystal_labels={7, 8, 9}, resamples=9)["test"]
    for name in ("natural", "per_image", "per_group"):
        pair = [found[split]["crystal"][name]["workload"] for split in ("validation", "test")]
        for ours, theirs, none in zip(*pair, alone["crystal"][name]["workload"], strict=True):
            assert (ours["threshold"], ours["chosen_on"]) == (
                theirs["threshold"],
                theirs["chosen_on"],
            )
            assert ours["achieved_recall"]["value"] >= ours["recall"]
            assert none["threshold"] is none["achieved_recall"] is none["images_per_1000"] is None
    assert alone["calibration"]["temperature"] is alone["calibration"]["bins_after"] is None
    temperatures = {found[split]["calibration"]["temperature"] for split in found}
    assert temperatures == {fit_temperature(validation.logits, validation.label)}
    assert found["test"]["calibration"]["ece_after"] < found["test"]["calibration"]["ece"]


def test_a_thinned_curve_keeps_its_ends_and_its_corner():
    up = np.concatenate([np.linspace(0, 1, 5000), np.ones(5000)])
    across = np.concatenate([np.zeros(5000), np.linspace(0, 1, 5000)])
    thinned = thin(across, up)
    assert len(thinned[0]) <= MOST_POINTS
    assert [axis[0] for axis in thinned] == [0, 0]
    assert [axis[-1] for axis in thinned] == [1, 1]
    area = np.trapezoid(thinned[1], thinned[0])
    assert area == pytest.approx(1, abs=1e-5)
    few = np.array([0.0, 0.5, 1.0])
    assert thin(few, few)[0] is few


# What holds for any predictions.


@settings(max_examples=25)
@given(tables())
def test_shares_are_those_of_scikit_learn(table):
    labels = range(table.logits.shape[1])
    resamples = draw_resamples(table.groups, resamples=3)
    for view in make_views(table).values():
        if view is None:
            continue
        facts = view_facts(view, crystal_labels={0}, resamples=resamples)
        guess, weight = view.guesses[:, 0], view.weight
        assert facts["top"][0]["value"] == pytest.approx(
            accuracy_score(view.label, guess, sample_weight=weight)
        )
        there = sorted(set(view.label.tolist()))
        recalls = recall_score(
            view.label, guess, labels=there, average=None, sample_weight=weight, zero_division=0
        )
        assert [facts["per_label"][label]["value"] for label in there] == pytest.approx(recalls)
        assert facts["macro_recall"]["value"] == pytest.approx(recalls.mean())
        untied = all(len(set(row)) == len(row) for row in view.probabilities.tolist())
        if untied and len(labels) > 2:
            for n in (1, 2):
                expected = top_k_accuracy_score(
                    view.label, view.probabilities, k=n, labels=labels, sample_weight=weight
                )
                assert facts["top"][n - 1]["value"] == pytest.approx(expected)


@settings(max_examples=25)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(table, random):
    order = random.sample(range(len(table)), len(table))
    columns = ("image_id", "group", "variant", "copies", "label", "logits")
    shuffled = dataclasses.replace(
        table, **{column: getattr(table, column)[order] for column in columns}
    )
    found = [
        evaluate_tables({"validation": each}, crystal_labels={1}, resamples=5)
        for each in (table, shuffled)
    ]
    assert found[0] == found[1]
    json.dumps(found[0], allow_nan=False)


@settings(max_examples=25)
@given(tables())
def test_with_one_variant_each_all_views_of_images_are_one(table):
    first = table.first_of_images()
    single = dataclasses.replace(
        table,
        copies=np.ones(len(first), np.int32),
        **{name: getattr(table, name)[first] for name in ("image_id", "group", "variant")},
        **{name: getattr(table, name)[first] for name in ("label", "logits")},
    )
    split = evaluate_tables({"test": single}, crystal_labels={1}, resamples=5)["test"]
    views = split["views"]
    assert views["balanced"] == views["natural"] == views["per_image"]
    assert (views["per_group"] is None) == (single.groups == single.images)


# What no table may have.


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_refused(bad):
    table = table_of(ROWS)
    logits = table.logits.copy()
    logits[3, 1] = bad
    with pytest.raises(DivergedError, match=r"finite numbers .* for 'b' and 0 records more"):
        dataclasses.replace(table, logits=logits)


@pytest.mark.parametrize(
    ("column", "row", "value", "wanted"),
    [
        ("label", 0, 3, "a label of 0 to 2 of image 'a'"),
        ("label", 0, -1, "a label of 0 to 2 of image 'a'"),
        ("label", 3, 0, "one label for all its records of image 'b'"),
        ("group", 3, "g1", "one group for all its records of image 'b'"),
        ("copies", 4, 2, "as many records as its copies of image 'd'"),
    ],
)
def test_records_that_contradict_one_another_are_refused(column, row, value, wanted):
    table = table_of(ROWS)
    changed = getattr(table, column).copy()
    changed[row] = value
    with pytest.raises(DataError, match=wanted):
        dataclasses.replace(table, **{column: changed})
