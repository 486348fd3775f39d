"""Paired comparison against sacreBLEU, against exact enumeration, and with systems swapped."""

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest
from scipy.stats import binomtest

from rnn_models.evaluation.metrics import METRICS, find_metric
from rnn_models.evaluation.significance import (
    compare,
    compare_classes,
    holm,
    resampled_gains,
    swapped_gains,
)

WORDS = ("ba", "lu", "mi", "tok", "rena", "so", "pe", "kal", "dor", "vi")
ACCURACY = find_metric("accuracy")


def hits(*answers):
    """Statistics of accuracy: 1 where an answer is correct."""
    return np.column_stack([answers, np.ones(len(answers))]).astype(np.float64)


def translations(num, *, worse, seed):
    """References and two systems' texts of them; the second gets more words wrong."""
    random = np.random.default_rng(seed)
    references = [
        [str(word) for word in random.choice(WORDS, random.integers(6, 12))] for _ in range(num)
    ]

    def hypotheses(share):
        return [
            " ".join(str(random.choice(WORDS)) if random.random() < share else w for w in row)
            for row in references
        ]

    return [" ".join(row) for row in references], hypotheses(0.3), hypotheses(0.3 + worse)


@pytest.mark.parametrize(("name", "tool"), [("bleu", BLEU), ("chrf", CHRF)])
@pytest.mark.parametrize(("worse", "seed"), [(0.04, 2), (0.06, 1), (0.05, 2)])
def test_p_value_equals_that_of_sacrebleu_up_to_resampling(name, tool, worse, seed):
    # A gain of two standard errors or so: nearer to none, sacreBLEU's test is two-sided and folds
    # the other side over.
    references, ours, theirs = translations(250, worse=worse, seed=seed)
    metric = find_metric(name)
    found = compare(
        metric,
        metric.statistics(ours, references),
        metric.statistics(theirs, references),
        num_resamples=4000,
    )
    test = PairedTest(
        [("theirs", theirs), ("ours", ours)],
        {name: tool()},
        [references],
        test_type="bs",
        n_samples=4000,
    )
    _, results = test()
    expected = results[next(key for key in results if key != "System")][1].p_value
    error = np.sqrt(2 * max(expected, 0.001) * (1 - expected) / 4000)
    assert found.p_bootstrap == pytest.approx(expected, abs=4 * error + 0.004)


@pytest.mark.parametrize("seed", range(4))
def test_resampled_gains_give_the_p_value_of_sacrebleu_by_its_formula(seed):
    references, ours, theirs = translations(120, worse=0.01 * seed, seed=seed)
    metric = find_metric("bleu")
    both = [metric.statistics(hypotheses, references) for hypotheses in (ours, theirs)]
    gains = np.abs(resampled_gains(metric, *both, num_resamples=4000, seed=0))
    observed = abs(metric.gain(*(float(metric.score(rows.sum(0)[None])[0]) for rows in both)))
    p_value = (1 + (gains - gains.mean() > observed).sum()) / 4001
    _, results = PairedTest(
        [("a", theirs), ("b", ours)], {"bleu": BLEU()}, [references], test_type="bs", n_samples=4000
    )()
    expected = results["BLEU"][1].p_value
    assert p_value == pytest.approx(
        expected, abs=4 * np.sqrt(2 * expected * (1 - expected) / 4000) + 0.001
    )


@pytest.mark.parametrize(
    ("won", "lost"), [(1, 0), (3, 0), (5, 0), (6, 1), (9, 3), (4, 4), (2, 5), (30, 18)]
)
def test_swaps_equal_the_sign_test_for_binary_scores(won, lost):
    ours = hits(*[1] * won, *[0] * lost, *[1] * 20)
    theirs = hits(*[0] * won, *[1] * lost, *[1] * 20)
    found = compare(ACCURACY, ours, theirs, num_resamples=20_000)
    expected = binomtest(won, won + lost, alternative="greater").pvalue
    assert found.p_swaps == pytest.approx(
        expected, abs=4 * np.sqrt(expected * (1 - expected) / 20_000) + 1e-4
    )


def test_resampled_gains_follow_the_exact_distribution_for_three_examples():
    ours = hits(1, 1, 0)
    theirs = hits(0, 1, 0)
    every = [
        sum(int(ours[i, 0] - theirs[i, 0]) for i in drawn) for drawn in product(range(3), repeat=3)
    ]
    expected = {gain: Fraction(every.count(gain), 27) for gain in set(every)}
    assert expected == {
        k: Fraction(comb(3, k) * 2 ** (3 - k), 27) for k in range(4)
    }  # drawn k times of three
    gains = np.round(
        resampled_gains(ACCURACY, ours, theirs, num_resamples=50_000, seed=3) * 3 / 100
    ).astype(int)
    for gain, share in expected.items():
        assert (gains == gain).mean() == pytest.approx(
            float(share), abs=4 * np.sqrt(float(share) / 50_000)
        )


def test_swapped_gains_follow_the_exact_distribution_of_all_swaps():
    metric = find_metric("span_f1")
    references = [["B-ka", "O"], ["B-ka", "I-ka"], ["O", "B-mo"], ["O", "O"]]
    ours = metric.statistics([["B-ka", "O"], ["B-ka", "O"], ["O", "B-mo"], ["O", "O"]], references)
    theirs = metric.statistics(
        [["O", "O"], ["B-ka", "I-ka"], ["O", "B-ka"], ["B-mo", "O"]], references
    )
    every = []
    for swaps in product([False, True], repeat=4):
        chosen = np.asarray(swaps)[:, None]
        a = np.where(chosen, theirs, ours)
        b = np.where(chosen, ours, theirs)
        every.append(float(metric.score(a.sum(0)[None])[0] - metric.score(b.sum(0)[None])[0]))
    gains = swapped_gains(metric, ours, theirs, num_resamples=40_000, seed=1)
    for gain in set(np.round(every, 6)):
        expected = float(np.mean(np.isclose(every, gain)))
        assert np.isclose(gains, gain, atol=1e-6).mean() == pytest.approx(
            expected, abs=4 * np.sqrt(expected / 40_000)
        )


def random_pair(name, num, seed):
    """Statistics of two made-up systems under a metric; some examples have the same for both."""
    random = np.random.default_rng(seed)
    if name in ("bleu", "chrf"):
        references, first, second = translations(num, worse=0.1, seed=seed)
        return [
            METRICS[name].statistics(predictions, references) for predictions in (first, second)
        ]
    if METRICS[name].is_cost:
        tokens = random.integers(3, 30, (num, 1))
        return [
            np.hstack([tokens * random.uniform(1, 3, (num, 1)), tokens, tokens * 1.5])
            for _ in range(2)
        ]
    references, *predictions = random.choice(["no", "so", "yes"], (3, num)).tolist()
    if name in ("span_f1", "token_accuracy"):
        references, *predictions = (
            [[f"B-{word}", "O"] for word in side] for side in (references, *predictions)
        )
    return [METRICS[name].statistics(side, references) for side in predictions]


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=5)
@given(seed=st.integers(0, 10_000))
def test_swapping_the_two_systems_mirrors_gain_and_interval(name, seed):
    ours, theirs = random_pair(name, 40, seed)
    one, other = (
        compare(METRICS[name], *pair, num_resamples=300)
        for pair in ((ours, theirs), (theirs, ours))
    )
    assert (one.ours, one.theirs) == (other.theirs, other.ours)
    assert (one.gain, one.low, one.high) == pytest.approx((-other.gain, -other.high, -other.low))
    assert one.low <= one.high


@pytest.mark.parametrize("name", METRICS)
def test_equal_systems_have_no_gain_and_no_evidence(name):
    ours, _ = random_pair(name, 40, 1)
    found = compare(METRICS[name], ours, ours, num_resamples=200)
    assert (found.gain, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_lower_cost_is_a_gain():
    _, theirs = random_pair("bits_per_character", 60, 2)
    found = compare(METRICS["bits_per_character"], theirs * [0.9, 1, 1], theirs)
    assert (
        found.gain == pytest.approx(found.theirs - found.ours) == pytest.approx(0.1 * found.theirs)
    )
    assert 0 < found.low < found.gain < found.high
    assert found.p_value < 0.001


def test_few_examples_are_not_significant_even_when_the_bootstrap_is():
    found = compare(ACCURACY, hits(1, 1, 1), hits(0, 0, 0))
    assert found.p_bootstrap < 0.001  # every resample of the three is the same
    assert found.p_value == found.p_swaps == pytest.approx(1 / 8, abs=0.02)


def test_interval_of_a_difference_is_near_the_normal_one():
    won = 60
    lost = 40
    same = 400
    ours = hits(*[1] * won, *[0] * lost, *[1] * same)
    theirs = hits(*[0] * won, *[1] * lost, *[1] * same)
    found = compare(ACCURACY, ours, theirs)
    half = 100 * 1.645 * np.sqrt((won + lost) / 500 - (20 / 500) ** 2) / np.sqrt(500)  # 3.24 points
    assert (found.gain, found.low, found.high) == pytest.approx((4, 4 - half, 4 + half), abs=0.25)


def test_resamples_do_not_depend_on_what_else_is_compared():
    ours, theirs = random_pair("accuracy", 500, 4)
    first = resampled_gains(ACCURACY, ours, theirs, num_resamples=2000, seed=5)
    assert np.array_equal(
        first, resampled_gains(ACCURACY, ours, theirs, num_resamples=2000, seed=5)
    )
    assert len(first) == 2000
    assert not np.array_equal(
        first, resampled_gains(ACCURACY, ours, theirs, num_resamples=2000, seed=6)
    )


@pytest.mark.parametrize(
    "are_distinct", [False, True]
)  # equal rows are drawn by their number, others one by one
def test_examples_are_drawn_uniformly(are_distinct):
    num = 300  # more than a byte counts
    shares = []
    for index in (0, 1, 150, 298, 299):
        ours = hits(*[int(i == index) for i in range(num)]) + are_distinct * np.outer(
            np.arange(num), [1e-9, 0]
        )
        gains = resampled_gains(ACCURACY, ours, hits(*[0] * num), num_resamples=4000, seed=index)
        shares.append(gains.mean() * num / 100)
    assert shares == pytest.approx([1] * 5, abs=4 / np.sqrt(4000))


def test_equal_rows_are_swapped_like_distinct_ones():
    ours = hits(*[1] * 30, *[0] * 20, *[1] * 50)
    theirs = hits(*[0] * 30, *[1] * 20, *[1] * 50)
    distinct = theirs + np.outer(np.arange(100), [1e-9, 0])
    found = [
        np.sort(swapped_gains(ACCURACY, ours, each, num_resamples=20_000, seed=2))
        for each in (theirs, distinct)
    ]
    deciles = [np.percentile(np.round(gains), range(10, 100, 10)) for gains in found]
    assert deciles[0] == pytest.approx(deciles[1], abs=2)  # gains go by twos


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (
            np.ones((9, 2)),
            np.ones((12, 2)),
            "9 rows of ours cannot be paired with 12 of theirs.*cut into blocks",
        ),
        (
            np.ones((9, 6)),
            np.ones((9, 9)),
            "6 statistics of ours stand against 9 of theirs: measure both together",
        ),
    ],
)
def test_different_numbers_of_examples_raise_with_both_sizes(ours, theirs, message):
    with pytest.raises(ValueError, match=message):
        compare(ACCURACY, ours, theirs)


def labelled(name, rows):
    """Statistics of each class of pairs of answers and labels."""
    return METRICS[name].classes(*zip(*rows, strict=True))


@pytest.mark.parametrize("num", [1, 2, 4, 8])
def test_p_value_of_a_class_with_no_hits_left_is_a_power_of_two(num):
    references = ["ka"] * num + ["mo"] * 50
    rows = labelled("accuracy", list(zip(["no"] * num + ["mo"] * 50, references, strict=True)))
    others = labelled("accuracy", list(zip(references, references, strict=True)))
    found = {change.name: change for change in compare_classes(rows, others, num_resamples=20_000)}
    expected = 2 * 2.0**-num  # two classes are tested
    assert found["ka"].p_fall == pytest.approx(min(1, expected), abs=8 * np.sqrt(expected / 20_000))
    assert (found["ka"].ours, found["ka"].theirs, found["ka"].gain, found["ka"].num_examples) == (
        0,
        100,
        -100,
        num,
    )
    assert found["mo"].p_fall == 1


def test_class_that_rises_has_not_fallen():
    references = ["ka"] * 20 + ["mo"] * 20
    worse = ["mo"] * 10 + references[10:]
    found = compare_classes(
        *(
            labelled("accuracy", list(zip(predictions, references, strict=True)))
            for predictions in (references, worse)
        )
    )
    assert [change.gain > 0 and change.p_fall > 0.9 for change in found] == [True, True]


def test_answers_without_classes_have_no_class_changes():
    assert compare_classes({}, {}) == []


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01], [0.01]),
        (
            [0.01, 0.04, 0.03, 0.005],
            [0.03, 0.06, 0.06, 0.02],
        ),  # Holm by hand: 4 * 0.005, 3 * 0.01, 2 * 0.03, and not less
        ([0.5, 0.9], [1.0, 1.0]),
    ],
)
def test_p_values_of_many_tests_are_corrected_by_holm(p_values, expected):
    assert holm(np.asarray(p_values)) == pytest.approx(expected)
