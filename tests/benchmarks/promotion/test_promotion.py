"""Pairs without a difference have none, and a known gain equals the requested one."""

import numpy as np
import pytest

from benchmarks.promotion.__main__ import Measured, draw, rate, share_for, table
from benchmarks.promotion.seed_pairs import SETTINGS, Pair
from data.catalog.catalog import find_dataset
from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import find_problem
from tasks.settings import changes, read_settings


def made_pair(name: str, num: int = 500) -> Pair:
    """Two systems of which the first is much better."""
    metric = find_metric(name)
    random = np.random.default_rng(0)
    if metric.is_cost:
        tokens = random.integers(5, 20, (num, 1))
        first = np.hstack([tokens * random.uniform(1, 2, (num, 1)), tokens, tokens])
        return Pair(metric, (first, first * [1.5, 1, 1], first * [0.9, 1, 1]), {})
    references = random.choice(["neg", "pos"], num).tolist()
    predictions = [
        [label if random.random() < right else "neg" for label in references]
        for right in (0.9, 0.5)
    ]
    sides = np.split(
        metric.statistics([*predictions[0], *predictions[1], *references], references * 3), 3
    )
    assert metric.classes
    kinds = [metric.classes(answers, references) for answers in (*predictions, references)]
    first, second, better = sides
    return Pair(
        metric,
        (first, second, better),
        {name: (kinds[0][name], kinds[1][name], kinds[2][name]) for name in kinds[0]},
    )


def gain(pair: Pair, share: float, num: int = 200) -> tuple[float, float]:
    """The mean gain over sampled pairs, and its standard error."""
    random = np.random.default_rng(1)
    gains = []
    for _ in range(num):
        drawn = draw(pair, random, share)
        ours, theirs = (
            float(pair.metric.score(rows.sum(0)[None])[0]) for rows in (drawn.ours, drawn.theirs)
        )
        gains.append(pair.metric.gain(ours, theirs))
    return float(np.mean(gains)), float(np.std(gains) / np.sqrt(num))


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "bits_per_character"])
def test_drawn_pairs_have_no_difference_although_the_seeds_have_one(name: str) -> None:
    pair = made_pair(name)
    first, second, _ = (float(pair.metric.score(rows.sum(0)[None])[0]) for rows in pair.rows)
    found, error = gain(pair, 0.0)
    assert abs(found) < 4 * error
    assert abs(first - second) > 20 * error


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "bits_per_character"])
@pytest.mark.parametrize("points", [0.5, 3.0])
def test_known_gain_equals_the_requested_gain(name: str, points: float) -> None:
    pair = made_pair(name)
    found, error = gain(pair, share_for(pair, points), num=400)
    mixture = (pair.rows[0].sum(0) + pair.rows[1].sum(0)) / 2
    wanted = (
        points / 100 * float(pair.metric.score(mixture[None])[0]) if pair.metric.is_cost else points
    )
    assert found == pytest.approx(wanted, abs=4 * error)


def test_classes_are_drawn_with_their_rows() -> None:
    pair = made_pair("accuracy")
    drawn = draw(pair, np.random.default_rng(2), 0.1)
    for rows, kinds in zip((drawn.ours, drawn.theirs), drawn.classes, strict=True):
        assert np.array_equal(sum(kind[:, 0] for kind in kinds.values()), rows[:, 0])


@pytest.mark.parametrize("dataset", SETTINGS)
def test_settings_of_both_seeds_are_valid(dataset: str) -> None:
    training = read_settings(SETTINGS[dataset]).training
    assert find_problem(find_dataset(dataset).problem).defaults.with_changes(changes(training))


def test_table_has_a_row_per_metric_with_its_exact_interval() -> None:
    item = Measured(
        "made",
        "accuracy",
        "accuracy",
        500,
        (70.0, 71.0),
        200,
        10,
        104,
        3,
        {"0.5": 0.1, "1": 0.3, "2": 0.9, "3": 1.0},
    )
    head, rule, row = table([item])
    assert head.count("|") == rule.count("|") == row.count("|")
    # 10 of 200 by Clopper and Pearson: beta quantiles 2.42 and 9.00 percent
    assert row == (
        "| accuracy | `made`, 500 | 70.00 and 71.00 | 5.0 % (2.4 to 9.0) | 52.0 % | 1.5 % "
        "| 10 % | 30 % | 90 % | 100 % |"
    )
    assert rate(0, 200).startswith("0.0 % (0.0 to ")
