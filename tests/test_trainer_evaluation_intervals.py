"""Bootstrap intervals: held against repeating the rows, against scikit-learn, against truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.trainer_evaluation_tables import simulated, tables
from trainer.evaluation import intervals
from trainer.evaluation.accuracy import view_facts
from trainer.evaluation.crystals import choose_thresholds, make_screens, screen_facts
from trainer.evaluation.intervals import (
    Resamples,
    draw_resamples,
    interval,
    ratio,
    sum_by_unit,
    units_of,
)
from trainer.evaluation.ranking import accumulate, rank, resampled_auc, resampled_precision
from trainer.evaluation.views import make_views

pytestmark = pytest.mark.filterwarnings("error")


def test_a_resample_draws_as_many_groups_as_there_are():
    counts = draw_resamples(40, resamples=200, seed=3).counts
    assert counts.shape == (40, 200)
    assert (counts.sum(axis=0) == 40).all()
    assert counts.mean() == pytest.approx(1)
    assert counts.var() == pytest.approx(1 - 1 / 40, rel=0.1)  # of a binomial (40, 1 / 40)
    assert (counts == draw_resamples(40, resamples=200, seed=3).counts).all()
    assert (counts != draw_resamples(40, resamples=200, seed=4).counts).any()
    # more resamples begin with the same ones
    assert (counts[:, :50] == draw_resamples(40, resamples=50, seed=3).counts).all()


def test_of_very_many_groups_some_are_drawn_as_one(monkeypatch):
    monkeypatch.setattr(intervals, "MOST_UNITS", 16)
    group = np.arange(40)
    assert draw_resamples(40, resamples=5).units == 16
    assert set(units_of(group).tolist()) == set(range(16))
    assert units_of(group)[17] == units_of(group)[1]


def test_there_is_no_interval_without_two_groups():
    samples = np.array([0.1, 0.2])
    assert interval(0.5, samples, units=1) == {"value": 0.5, "low": None, "high": None}
    assert interval(0.5, np.full(2, np.nan), units=9)["low"] is None
    assert interval(0.5, np.empty(0), units=9)["low"] is None
    assert interval(float("nan"), samples, units=9) is None
    assert interval(0.5, np.array([0.2, np.nan, 0.2]), units=2)["high"] == 0.2


@given(st.integers(0, 70), st.integers(1, 3))
def test_accumulated_rows_are_cumulative_sums(rows, columns):
    values = np.random.default_rng(rows).normal(size=(rows, columns))
    assert accumulate(values) == pytest.approx(np.cumsum(values, axis=0))


@st.composite
def scored_rows(draw):
    """Rows of few scores, many of them equal, with weights, in few units."""
    row = st.tuples(
        st.integers(0, 5), st.booleans(), st.sampled_from([0.25, 0.5, 1, 3]), st.integers(0, 3)
    )
    rows = draw(st.lists(row, min_size=1, max_size=30))
    score, positive, weight, unit = (np.array(column) for column in zip(*rows, strict=True))
    counts = draw(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1))
    return score.astype(float), positive, weight.astype(float), unit, np.array(counts, np.uint8).T


@given(scored_rows())
def test_areas_of_resamples_are_those_of_scikit_learn(drawn):
    score, positive, weight, unit, counts = drawn
    ranking = rank(score, positive, weight=weight, unit=unit, units=4)
    areas = resampled_auc([ranking], Resamples(counts))[:, 0]
    precisions = resampled_precision(ranking, Resamples(counts))
    for column in range(counts.shape[1]):
        repeated = weight * counts[unit, column]
        there = repeated > 0
        rows = {"y_true": positive[there], "y_score": score[there]}
        weights = {"sample_weight": repeated[there]}
        both = len(set(positive[there].tolist())) == 2
        assert np.isnan(areas[column]) != both
        if both:
            assert areas[column] == pytest.approx(roc_auc_score(**rows, **weights))
        assert np.isnan(precisions[column]) != positive[there].any()
        if positive[there].any():
            expected = average_precision_score(**rows, **weights)
            assert precisions[column] == pytest.approx(expected)


def edges(samples) -> dict:
    """Returns the ends of the interval of numbers of resamples."""
    defined = [sample for sample in samples if sample is not None]
    low, high = np.quantile(defined, [0.025, 0.975])
    return {"low": pytest.approx(low), "high": pytest.approx(high)}


def without_interval(resamples: int) -> Resamples:
    """Returns resamples of one unit, for numbers alone."""
    return Resamples(np.ones((1, resamples), np.uint8))


def repeated(view, counts):
    """Returns a view in which the rows of each unit stand as often as it was drawn."""
    rows = np.repeat(np.arange(len(view.label)), counts[view.unit])
    columns = {name: getattr(view, name)[rows] for name in ("probabilities", "label", "weight")}
    return type(view)(**columns, unit=np.zeros(len(rows), int))


def value(fact):
    return None if fact is None else fact["value"]


def test_intervals_are_those_of_repeating_whole_groups():
    """The slow way: each resample's rows are written out, and every number is computed anew."""
    table = simulated(60, labels=4, seed=5)
    resamples = draw_resamples(table.groups, resamples=30)
    for view in make_views(table).values():
        facts = view_facts(view, crystal_labels={2, 3}, resamples=resamples)
        slow = [
            view_facts(repeated(view, counts), crystal_labels={2, 3}, resamples=without_interval(1))
            for counts in resamples.counts.T
        ]
        for name in ("top", "per_label", "auc"):
            for place, fact in enumerate(facts[name]):
                found = edges([value(each[name][place]) for each in slow])
                assert {key: fact[key] for key in found} == found
        found = edges([value(each["macro_recall"]) for each in slow])
        assert {key: facts["macro_recall"][key] for key in found} == found
        for place, row in enumerate(facts["missed_crystals"]):
            for name in ("missed", "false_alarms"):
                found = edges([value(each["missed_crystals"][place][name]) for each in slow])
                assert {key: row[name][key] for key in found} == found


def test_intervals_of_a_ranking_are_those_of_repeating_whole_groups():
    table = simulated(60, labels=4, seed=6)
    resamples = draw_resamples(table.groups, resamples=60)
    for screen in make_screens(table, {2, 3}, temperature=1.5).values():
        thresholds = choose_thresholds(screen)
        facts = screen_facts(screen, thresholds=thresholds, resamples=resamples)
        slow = []
        for counts in resamples.counts.T:
            rows = np.repeat(np.arange(len(screen.score)), counts[screen.unit])
            columns = {name: getattr(screen, name)[rows] for name in ("score", "crystal", "weight")}
            again = type(screen)(**columns, unit=np.zeros(len(rows), int))
            slow.append(screen_facts(again, thresholds=thresholds, resamples=without_interval(1)))
        slow = [each for each in slow if each]
        for curve, name in (("roc", "auc"), ("pr", "average_precision")):
            found = edges([each[curve][name]["value"] for each in slow])
            assert {key: facts[curve][name][key] for key in found} == found
        for place, row in enumerate(facts["workload"]):
            for name in ("achieved_recall", "images_per_1000"):
                found = edges([each["workload"][place][name]["value"] for each in slow])
                assert {key: row[name][key] for key in found} == found


@settings(max_examples=50)
@given(tables())
def test_there_are_two_ends_or_none(table):
    """With one group there is no interval; with more, both ends are there or none is."""
    resamples = draw_resamples(table.groups, resamples=9)
    view = make_views(table)["balanced"]
    facts = view_facts(view, crystal_labels={0}, resamples=resamples)
    for fact in [*facts["top"], *facts["per_label"], *facts["auc"], facts["macro_recall"]]:
        if fact is not None:
            assert (fact["low"] is None) == (fact["high"] is None)
            assert 0 <= fact["value"] <= 1
    assert (facts["top"][0]["low"] is None) == (table.groups == 1)
    for label, fact in enumerate(facts["per_label"]):
        groups = {name for name, own in zip(table.group, table.label, strict=True) if own == label}
        if fact is not None and len(groups) == 1:
            assert fact["low"] is None


def coverage(*, by_group: bool, trials: int = 300) -> float:
    """Returns how often intervals hold the true share, 0.7, of rows alike within groups."""
    rng = np.random.default_rng(11)
    groups, each = 40, 8
    group = np.repeat(np.arange(groups), each)
    unit = group if by_group else np.arange(groups * each)
    units = int(unit.max()) + 1
    resamples = draw_resamples(units, resamples=400)
    held = 0
    for _ in range(trials):
        right = rng.random(groups * each) < rng.beta(0.7, 0.3, groups)[group]
        table = sum_by_unit(np.stack([right, np.ones(len(right))], axis=1), unit, units)
        drawn = resamples.sums(table)
        found = interval(right.mean(), ratio(drawn[:, 0], drawn[:, 1]), units=units)
        held += found["low"] <= 0.7 <= found["high"]
    return held / trials


def test_intervals_hold_the_truth_as_often_as_they_say():
    # two standard errors of 300 trials are 0.025; the percentile bootstrap of 40 groups is
    # known to be a little narrow
    assert coverage(by_group=True) == pytest.approx(0.94, abs=0.04)


def test_intervals_by_record_would_be_far_too_narrow():
    assert coverage(by_group=False) < 0.75
