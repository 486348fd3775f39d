"""Scores against the field's own tools, and the interval against the normal one."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sklearn.metrics import accuracy_score, f1_score

from rnn_models.evaluation.metric import measure
from rnn_models.evaluation.metrics import METRICS, f1, find_metric, spans

tags = st.sampled_from(["O", "B-ka", "I-ka", "B-mo", "I-mo"])
tag_pairs = st.lists(
    st.lists(st.tuples(tags, tags), min_size=1, max_size=8), min_size=1, max_size=6
)
labels = st.sampled_from(["no", "so", "yes"])
label_pairs = st.lists(st.tuples(labels, labels), min_size=1, max_size=30)
texts = st.lists(
    st.sampled_from(["ba", "lu", "mi", "tok", "rena", "."]), min_size=1, max_size=9
).map(" ".join)
text_pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=8)
costs = st.lists(st.floats(0.0625, 9.0, width=32), min_size=1, max_size=9).map(
    lambda nats: np.asarray(nats, dtype=np.float32)
)
costed_texts = st.lists(st.tuples(costs, texts), min_size=1, max_size=8)

PAIRS = {
    "accuracy": label_pairs,
    "valid_texts": label_pairs,
    "macro_f1": label_pairs,
    "span_f1": tag_pairs.map(lambda rows: [tuple(zip(*row, strict=True)) for row in rows]),
    "token_accuracy": tag_pairs.map(lambda rows: [tuple(zip(*row, strict=True)) for row in rows]),
    "bleu": text_pairs,
    "chrf": text_pairs,
    "bits_per_character": costed_texts,
    "perplexity": costed_texts,
}


def score(name, pairs):
    """Score pairs of hypothesis and reference."""
    metric = find_metric(name)
    return float(
        metric.score(metric.statistics(*zip(*pairs, strict=True)).sum(0, keepdims=True))[0]
    )


@given(label_pairs)
def test_accuracy_equals_scikit_learn(pairs):
    predictions, references = zip(*pairs, strict=True)
    assert score("accuracy", pairs) == pytest.approx(100 * accuracy_score(references, predictions))


@given(label_pairs)
def test_macro_f1_equals_scikit_learn(pairs):
    predictions, references = zip(*pairs, strict=True)
    assert score("macro_f1", pairs) == pytest.approx(
        100 * f1_score(references, predictions, average="macro")
    )


# F1 as seqeval 1.2.2 computes it (mode strict, scheme IOB2) for random tags: predicted rows,
# reference rows, F1 of all, F1 of each kind. seqeval itself is not installed with the tests, since
# it has no wheel.
SEQEVAL = [
    (
        "B-mo I-ka B-ka | B-mo | O I-ka | B-ka I-ka B-ka I-ka B-ka O B-mo",
        "B-mo B-mo B-mo | I-ka | O I-ka | B-ka I-ka B-ka I-ka B-ka O B-mo",
        71.428571,
        {"ka": 85.714286, "mo": 57.142857},
    ),
    (
        "O | B-mo I-ka I-ka | B-mo B-ka O B-mo | O I-mo B-mo B-ka B-mo I-ka I-mo",
        "I-mo | B-mo I-ka I-ka | O B-mo B-mo O | O I-mo B-mo B-ka B-mo O O",
        61.538462,
        {"ka": 66.666667, "mo": 60.0},
    ),
    (
        "B-mo | B-ka I-mo | B-ka | O I-ka",
        "B-mo | B-ka I-mo | I-mo | O I-ka",
        80.0,
        {"ka": 66.666667, "mo": 100.0},
    ),
    (
        "B-ka | I-mo O O O O B-mo | B-ka B-ka | I-mo B-mo I-ka B-ka",
        "B-mo | I-mo O O O O B-mo | B-ka B-ka | I-mo B-mo I-ka B-ka",
        83.333333,
        {"ka": 85.714286, "mo": 80.0},
    ),
    (
        "I-mo B-mo I-mo I-ka O | O | I-ka O I-ka I-ka B-ka | B-ka O",
        "I-mo B-mo O I-ka B-mo | O | I-mo O B-mo B-mo B-ka | B-ka O",
        44.444444,
        {"ka": 100.0, "mo": 0.0},
    ),
    (
        "I-ka I-mo I-mo B-ka I-mo I-ka B-mo | B-ka O I-ka I-ka O I-mo | O I-ka B-mo B-ka "
        "B-mo O | B-ka B-ka O O B-mo",
        "I-ka O I-mo B-ka I-mo I-ka B-mo | O O I-ka O O I-mo | B-ka B-ka B-mo B-ka B-mo O "
        "| B-ka B-ka O O B-mo",
        84.210526,
        {"ka": 72.727273, "mo": 100.0},
    ),
]


def entities(rows):
    """Entities of tag rows by their definition: B of a kind, then every I of the same kind."""
    found = set()
    for number, row in enumerate(rows):
        for start, tag in enumerate(row):
            if tag.startswith("B-"):
                stop = start + 1
                while stop < len(row) and row[stop] == f"I-{tag[2:]}":
                    stop += 1
                found.add((number, start, stop, tag[2:]))
    return found


def f1_of(predictions, references):
    """F1 of two sets of entities, in percent."""
    return (
        200 * len(predictions & references) / (len(predictions) + len(references))
        if predictions or references
        else 0.0
    )


def split_sides(rows):
    """Predicted and reference tags of rows of pairs."""
    return ([[pair[side] for pair in row] for row in rows] for side in (0, 1))


@pytest.mark.parametrize(("predictions", "references", "expected", "kinds"), SEQEVAL)
def test_span_f1_equals_gold_values_of_strict_seqeval(predictions, references, expected, kinds):
    pairs = [
        (s.split(), t.split())
        for s, t in zip(predictions.split(" | "), references.split(" | "), strict=True)
    ]
    assert score("span_f1", pairs) == pytest.approx(expected, abs=1e-6)
    assert class_scores("span_f1", pairs) == pytest.approx(kinds, abs=1e-6)


@given(tag_pairs)
def test_span_f1_equals_f1_of_the_sets_of_entities(rows):
    predictions, references = split_sides(rows)
    assert score("span_f1", list(zip(predictions, references, strict=True))) == pytest.approx(
        f1_of(entities(predictions), entities(references))
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["B-ka", "I-ka", "O"], {0: 2}),
        (["B-ka", "B-ka"], {0: 1, 1: 2}),
        (["O", "I-ka", "I-ka"], {}),
        (["I-ka"], {}),
        (["B-ka", "I-mo", "I-mo"], {0: 1}),
        (["B-ka", "I-mo", "I-ka"], {0: 1}),
        (["O", "B-mo", "I-mo", "B-mo", "I-mo"], {1: 3, 3: 5}),
    ],
)
def test_entity_starts_with_b_and_continues_with_i_of_its_kind(row, expected):
    stops, _ = spans([row])
    assert {start: stop for start, stop in enumerate(stops.tolist()) if stop} == expected


def test_entity_does_not_continue_into_the_next_row():
    stops, rows = spans([["B-ka"], [], ["I-ka", "O"]])
    assert (stops.tolist(), rows.tolist()) == ([1, 0, 0], [0, 2, 2])


def class_scores(name, pairs):
    """F1 of each class of pairs of hypothesis and reference."""
    rows = find_metric(name).classes(*zip(*pairs, strict=True))
    return {
        kind: float(f1(statistics.sum(0, keepdims=True))[0]) for kind, statistics in rows.items()
    }


@given(label_pairs)
def test_f1_of_each_class_equals_scikit_learn(pairs):
    predictions, references = zip(*pairs, strict=True)
    names = sorted(set(references))
    expected = 100 * f1_score(references, predictions, average=None, labels=names, zero_division=0)
    assert class_scores("accuracy", pairs) == pytest.approx(dict(zip(names, expected, strict=True)))


@given(tag_pairs)
def test_f1_of_each_kind_equals_f1_of_the_sets_of_its_entities(rows):
    predictions, references = split_sides(rows)
    found, meant = (
        [{e for e in entities(side) if e[3] == kind} for kind in ("ka", "mo")]
        for side in (predictions, references)
    )
    expected = {
        kind: f1_of(s, t) for kind, s, t in zip(("ka", "mo"), found, meant, strict=True) if t
    }
    assert class_scores(
        "span_f1", list(zip(predictions, references, strict=True))
    ) == pytest.approx(expected)


@given(tag_pairs)
def test_entity_counts_of_all_kinds_add_up_to_the_total(rows):
    predictions, references = ([[pair[side] for pair in row] for row in rows] for side in (0, 1))
    metric = find_metric("span_f1")
    right, _, of_true = metric.statistics(predictions, references).T
    kinds = metric.classes(predictions, references).values()
    assert sum(rows[:, 0] for rows in kinds) == pytest.approx(right)
    assert sum(rows[:, 2] for rows in kinds) == pytest.approx(of_true)


def test_rows_with_different_numbers_of_tags_raise_with_their_number():
    with pytest.raises(ValueError, match="row 1 has 2 predicted tags for 1 tokens"):
        find_metric("span_f1").statistics([["O"], ["O", "O"]], [["O"], ["O"]])


def test_token_accuracy_averages_over_tokens():
    assert (
        score("token_accuracy", [(["O"], ["O"]), (["O", "O", "B-ka"], ["O", "B-ka", "O"])]) == 50.0
    )


@pytest.mark.parametrize(("name", "tool"), [("bleu", BLEU), ("chrf", CHRF)])
@given(pairs=text_pairs)
def test_text_score_of_summed_statistics_equals_sacrebleu(name, tool, pairs):
    predictions, references = zip(*pairs, strict=True)
    assert score(name, pairs) == pytest.approx(tool().corpus_score(predictions, [references]).score)


ORDERS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=4)


@given(lengths=st.tuples(st.integers(0, 20), st.integers(1, 20)), orders=ORDERS)
def test_bleu_of_any_counts_equals_sacrebleu_including_orders_without_matches(lengths, orders):
    all_said = sorted(
        (a for a, _ in orders), reverse=True
    )  # there are fewer long n-grams than short ones
    right = [min(b, n) for (_, b), n in zip(orders, all_said, strict=True)]
    lengths = (max(lengths[0], all_said[0]), lengths[1])
    counts = [*lengths, *right, *all_said]
    expected = BLEU()._compute_score_from_stats(counts).score
    assert find_metric("bleu").score(np.asarray([counts], dtype=float))[0] == pytest.approx(
        expected
    )


@given(
    orders=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=6, max_size=6
    )
)
def test_chrf_of_any_counts_equals_sacrebleu_including_orders_missing_on_one_side(orders):
    counts = [
        (predictions, references, min(predictions, references, right))
        for predictions, references, right in orders
    ]
    flat = [number for order in counts for number in order]
    expected = CHRF()._compute_score_from_stats(flat).score
    assert find_metric("chrf").score(np.asarray([flat], dtype=float))[0] == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
@given(data=st.data())
def test_summed_statistics_of_some_rows_give_their_score(name, data):
    pairs = data.draw(PAIRS[name])
    metric = find_metric(name)
    kept = data.draw(st.sets(st.integers(0, len(pairs) - 1), min_size=1).map(sorted))
    rows = metric.statistics(*zip(*pairs, strict=True))
    assert metric.score(rows[kept].sum(0, keepdims=True))[0] == pytest.approx(
        score(name, [pairs[i] for i in kept])
    )


PERFECT = {label_pairs: "so", text_pairs: "lu mi tok ba"}


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if not metric.is_cost])
def test_hypotheses_equal_to_references_score_100(name):
    answer = PERFECT.get(PAIRS[name], ["B-ka", "I-ka", "O"])
    assert score(name, [(answer, answer)] * 3) == pytest.approx(100)


def nats(*values):
    return np.asarray(values, dtype=np.float32)


def test_bits_per_character_divide_by_characters_and_text_ends():
    pairs = [(nats(1.0, 2.0, 3.0), "lu mi"), (nats(4.0), "b")]
    assert score("bits_per_character", pairs) == pytest.approx(10 / (6 + 2) / math.log(2))


def test_perplexity_is_per_token():
    assert score("perplexity", [(nats(math.log(8), math.log(2)), "lu")] * 3) == pytest.approx(4)


@pytest.mark.parametrize(
    ("num_texts", "num_tokens", "num_rows"),
    [(1, 2600, 3), (29, 2600, 87), (30, 2600, 30), (29, 300, 29)],
)
def test_blocks_are_resampled_in_place_of_few_long_texts(num_texts, num_tokens, num_rows):
    metric = find_metric("bits_per_character")
    random = np.random.default_rng(0)
    costs = [random.random(num_tokens, dtype=np.float32) for _ in range(num_texts)]
    rows = metric.statistics(costs, ["b" * (num_tokens - 1)] * num_texts)
    assert len(rows) == num_rows
    assert rows.sum(0) == pytest.approx(
        [np.concatenate(costs).sum(dtype=np.float64), *2 * [num_texts * num_tokens]]
    )


@pytest.mark.parametrize("name", METRICS)
def test_gain_is_positive_for_the_better_system(name):
    metric = find_metric(name)
    better, worse = (1.5, 2.0) if name in ("bits_per_character", "perplexity") else (2.0, 1.5)
    assert metric.gain(better, worse) == 0.5 == -metric.gain(worse, better)


@pytest.mark.parametrize(
    ("name", "answer", "needed"),
    [
        ("bleu", "lu mi", "version:2."),
        ("chrf", "lu mi", "version:2."),
        ("span_f1", ["O"], "strict IOB2, micro"),
    ],
)
def test_score_has_the_signature_of_its_metric(name, answer, needed):
    metric = find_metric(name)
    assert needed in measure(metric, metric.statistics([answer], [answer])).signature


def test_interval_of_a_proportion_is_near_the_normal_one():
    hits = np.arange(400) < 280
    found = measure(
        find_metric("accuracy"),
        np.column_stack([hits, np.ones(400)]).astype(float),
        num_resamples=4000,
    )
    half = 100 * 1.96 * math.sqrt(0.7 * 0.3 / 400)  # 4.49
    assert (found.value, found.low, found.high) == pytest.approx(
        (70, 70 - half, 70 + half), abs=0.4
    )


@given(label_pairs, st.sampled_from(["accuracy", "macro_f1"]))
def test_interval_is_within_0_and_100_and_contains_the_score(pairs, name):
    metric = find_metric(name)
    found = measure(metric, metric.statistics(*zip(*pairs, strict=True)), num_resamples=200)
    assert 0 <= found.low <= found.high <= 100 + 1e-9
    assert name != "accuracy" or found.low <= found.value <= found.high


def test_interval_depends_on_its_seed_only():
    statistics = np.column_stack([np.arange(50) % 3 == 0, np.ones(50)]).astype(float)
    metric = find_metric("accuracy")
    assert (
        measure(metric, statistics, seed=4)
        == measure(metric, statistics, seed=4)
        != measure(metric, statistics, seed=5)
    )


# Those that a problem brings are found by their names too.
KNOWN = [*METRICS, "pearson", "mean_absolute_error"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("acuracy", "there is no metric 'acuracy': did you mean accuracy?"),
        ("xyz", f"there is no metric 'xyz': expected one of {', '.join(sorted(KNOWN))}"),
    ],
)
def test_unknown_metric_raises_with_the_nearest_names(name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        find_metric(name)
