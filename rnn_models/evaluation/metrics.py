"""The metrics that problems share, most in percent, each a function of sums over examples.

N examples, S statistics, R resamples.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_models.evaluation.metric import Metric, Statistics
from rnn_models.evaluation.text_metrics import (
    DEFAULT_TOKENIZER,
    bleu_metric,
    bleu_scores,
    check_tokenizer,
    chrf_metric,
    chrf_scores,
    segment_statistics,
)
from rnn_models.names import nearest
from rnn_models.problem import find_problem, problem_names

# Of fewer texts than this, blocks of tokens are resampled in place of texts.
FEW_TEXTS = 30
BLOCK_TOKENS = 1000


def _accuracy_rows(hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
    hits = [h == r for h, r in zip(hypotheses, references, strict=True)]
    return np.column_stack([np.asarray(hits, dtype=np.float64), np.ones(len(hits))])


def _share(sums: Statistics) -> Statistics:
    return 100 * sums[:, 0] / sums[:, 1]


def _class_rows(hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
    """Count hits, predictions and references of each class, (N, 3 * classes)."""
    # Of both sides: a class that is only predicted has false positives, which lower the mean.
    names = np.unique([*references, *hypotheses])
    predicted = np.asarray(hypotheses)[:, None] == names
    expected = np.asarray(references)[:, None] == names
    counts = [predicted & expected, predicted, expected]
    return np.concatenate(counts, axis=1).astype(np.float64)


def label_classes(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Statistics]:
    """Count right, predicted and reference examples of each label that the references have.

    Returns:
        (N, 3) for each label.
    """
    predicted = np.asarray(hypotheses)
    expected = np.asarray(references)
    pairs = {str(name): (predicted == name, expected == name) for name in np.unique(expected)}
    return {
        name: np.column_stack([p & e, p, e]).astype(np.float64) for name, (p, e) in pairs.items()
    }


def _macro_f1(sums: Statistics) -> Statistics:
    hits, predicted, expected = np.split(sums, 3, axis=1)  # (R, classes) each
    per_class = 2 * hits / np.maximum(predicted + expected, 1)
    # A resample may lack a class on both sides: it has no F1 then, and the mean leaves it out.
    is_present = predicted + expected > 0
    scores: Statistics = 100 * (per_class * is_present).sum(1) / is_present.sum(1)
    return scores


def spans(rows: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the entities of BIO tags, strictly: an ``I-`` that continues nothing is no entity.

    Returns:
        Over all tokens end to end: where the entity that starts at a token
        stops (exclusive; 0 if none starts), and the number of its row.
    """
    row_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    # One more tag, so that slices shifted by one exist for no tokens too.
    tags = np.asarray([tag for row in rows for tag in row] + ["O"])
    prefix = tags.astype("U1")
    kind = np.asarray([tag[2:] for tag in tags])
    goes_on = (prefix[1:-1] == "I") & (prefix[:-2] != "O") & (kind[1:-1] == kind[:-2])
    goes_on = np.concatenate([[False], goes_on & (row_of[1:] == row_of[:-1])])[: len(row_of)]
    starts = np.flatnonzero(~goes_on)  # each token stands in one stretch of one kind
    stops = np.append(starts[1:], len(row_of))
    is_entity = prefix[:-1][starts] == "B"
    stop_at = np.zeros(len(row_of), dtype=np.int64)
    stop_at[starts[is_entity]] = stops[is_entity]
    return stop_at, row_of


def _entities(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> tuple[NDArray[np.int64], list[tuple[NDArray[np.bool_], NDArray[np.str_]]]]:
    """Mark the entities that are right, predicted and in the references, where each starts.

    Returns:
        The row of each token; for each of the three, whether an entity starts at a token, and the
        kind of the token's tag.

    Raises:
        ValueError: If a row has more or fewer tags than tokens.
    """
    lengths = [(len(h), len(r)) for h, r in zip(hypotheses, references, strict=True)]
    wrong = [i for i, (h, r) in enumerate(lengths) if h != r]
    if wrong:
        h, r = lengths[wrong[0]]
        raise ValueError(f"row {wrong[0]} has {h} predicted tags for {r} tokens")
    predicted, row_of = spans(hypotheses)
    expected, _ = spans(references)
    kind, expected_kind = (
        np.asarray([tag[2:] for row in rows for tag in row], dtype=str)
        for rows in (hypotheses, references)
    )
    is_hit = (predicted > 0) & (predicted == expected) & (kind == expected_kind)
    return row_of, [
        (is_hit, expected_kind),
        (predicted > 0, kind),
        (expected > 0, expected_kind),
    ]


def _span_rows(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> Statistics:
    """Count right, predicted and reference entities of each row."""
    row_of, found = _entities(hypotheses, references)
    return np.column_stack(
        [np.bincount(row_of, weights=starts, minlength=len(references)) for starts, _ in found]
    )


def span_classes(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> dict[str, Statistics]:
    """Count right, predicted and reference entities of each kind that the references have.

    Returns:
        (N, 3) for each kind.
    """
    row_of, found = _entities(hypotheses, references)
    is_expected, kinds = found[2]
    return {
        str(kind): np.column_stack(
            [
                np.bincount(row_of, weights=starts & (of == kind), minlength=len(references))
                for starts, of in found
            ]
        )
        for kind in np.unique(kinds[is_expected])
    }


def f1(sums: Statistics) -> Statistics:
    """Compute F1 in percent of (R, 3): right, predicted and reference ones."""
    # 2 PR / (P + R) with P and R as counts; without any entity on either side it is 0.
    return 200 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1)


def _token_rows(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> Statistics:
    pairs = zip(hypotheses, references, strict=True)
    hits = [sum(a == b for a, b in zip(h, r, strict=True)) for h, r in pairs]
    return np.column_stack([hits, [len(r) for r in references]]).astype(np.float64)


def _nats_rows(hypotheses: Sequence[NDArray[np.float32]], references: Sequence[str]) -> Statistics:
    """Sum the negative log-likelihood, the tokens and the characters of each text, (N, 3).

    The end of a text counts as a token and as a character. Of few texts the
    tokens are cut into blocks: a resample of one long text is always the same.
    """
    rows = []
    for nats, text in zip(hypotheses, references, strict=True):
        num_blocks = max(1, round(len(nats) / BLOCK_TOKENS)) if len(hypotheses) < FEW_TEXTS else 1
        # A block has no text of its own: it gets its share of the characters, end included.
        per_token = (len(text) + 1) / len(nats)
        blocks = np.array_split(nats.astype(np.float64), num_blocks)
        rows += [(block.sum(), len(block), len(block) * per_token) for block in blocks]
    return np.asarray(rows, dtype=np.float64).reshape(-1, 3)


def _bits(sums: Statistics) -> Statistics:
    return np.asarray(sums[:, 0] / sums[:, 2] / np.log(2))


def _perplexity(sums: Statistics) -> Statistics:
    return np.asarray(np.exp(sums[:, 0] / sums[:, 1]))


def text_metric(
    name: str, title: str, make: Callable[[], Any], score: Callable[[Statistics], Statistics]
) -> Metric:
    """Make a metric of texts from one of sacreBLEU, which is made when it is first used."""
    return Metric(name, title, segment_statistics(make), score, lambda: str(make().get_signature()))


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", _accuracy_rows, _share, classes=label_classes),
        Metric("valid_texts", "valid texts", _accuracy_rows, _share),
        Metric("macro_f1", "macro F1", _class_rows, _macro_f1, classes=label_classes),
        Metric(
            "span_f1",
            "entity F1",
            _span_rows,
            f1,
            lambda: "strict IOB2, micro",
            classes=span_classes,
        ),
        Metric("token_accuracy", "token accuracy", _token_rows, _share),
        Metric(
            "bits_per_character",
            "bits per character",
            _nats_rows,
            _bits,
            lambda: "ends of texts counted",
            is_cost=True,
        ),
        Metric(
            "perplexity",
            "perplexity",
            _nats_rows,
            _perplexity,
            lambda: "per token, ends counted",
            is_cost=True,
        ),
        text_metric("bleu", "BLEU", partial(bleu_metric, DEFAULT_TOKENIZER), bleu_scores),
        text_metric("chrf", "chrF", chrf_metric, chrf_scores),
    )
}


def find_metric(name: str, *, tokenizer: str = "") -> Metric:
    """Find a metric by its name: a shared one, or one that a problem brings.

    Args:
        name: Of the metric.
        tokenizer: The one of sacreBLEU that BLEU cuts texts with, ``13a`` if empty; other metrics
            have none.

    Raises:
        ValueError: If there is none, with the nearest name, or the tokenizer is not installed.
    """
    if name == "bleu" and tokenizer not in ("", DEFAULT_TOKENIZER):
        check_tokenizer(tokenizer)
        return text_metric(name, METRICS[name].title, partial(bleu_metric, tokenizer), bleu_scores)
    if name in METRICS:
        return METRICS[name]
    # Last, since it imports every problem.
    problems = map(find_problem, problem_names())
    own = {metric.name: metric for problem in problems for metric in problem.own_metrics}
    if name not in own:
        raise ValueError(f"there is no metric {name!r}: {nearest(name, [*METRICS, *own])}")
    return own[name]
