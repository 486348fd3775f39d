"""The field's own scores, most of them in percent, each as a function of sums over examples.

A metric first turns every example into a row of statistics; the score is a
function of the sum of the rows. So a resample costs one matrix product, and
two systems can be compared example by example. N examples, S statistics,
R resamples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnn_models.evaluation.text_metrics import (
    CHRF_METRIC,
    DEFAULT_TOKENIZER,
    bleu_metric,
    bleu_scores,
    chrf_scores,
    segment_statistics,
)
from rnn_models.names import nearest

Statistics = NDArray[np.float64]
Number = TypeVar("Number", float, Statistics)
FEW_TEXTS, BLOCK_TOKENS = 30, 1000  # of fewer texts not texts are resampled, but blocks of them


@dataclass(frozen=True)
class Metric:
    """A score in percent, higher is better, or a cost in a unit of its own, lower is better.

    ``statistics`` maps hypotheses and references to (N, S); ``score`` maps sums
    (R, S) to (R,). ``classes`` is there where an answer is of classes, or of
    entities of kinds: it gives each that the references have (N, 3), right,
    said and true.
    """

    name: str
    title: str
    statistics: Callable[[Sequence[Any], Sequence[Any]], Statistics]
    score: Callable[[Statistics], Statistics]
    signature: Callable[[], str] = lambda: ""
    is_cost: bool = False
    classes: Callable[[Sequence[Any], Sequence[Any]], dict[str, Statistics]] | None = None

    def gain(self, ours: Number, theirs: Number) -> Number:
        """By how much a score is better than another; negative where it is worse."""
        return theirs - ours if self.is_cost else ours - theirs


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval, and how it was measured."""

    value: float
    low: float
    high: float
    signature: str = ""


def measure(
    metric: Metric, statistics: Statistics, *, num_resamples: int = 1000, seed: int = 0
) -> Score:
    """Score all examples together, with a 95 % percentile bootstrap interval.

    Args:
        metric: What is measured.
        statistics: (N, S), at least one row.
        num_resamples: Resamples of N examples with replacement.
        seed: Of the resampling.

    Origin:
        Efron (1979); for BLEU, Koehn (2004).
    """
    num = len(statistics)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(num, np.full(num, 1 / num), size=num_resamples)  # (R, N)
    low, high = np.percentile(metric.score(drawn @ statistics), [2.5, 97.5])
    value = metric.score(statistics.sum(0, keepdims=True))[0]
    return Score(float(value), float(low), float(high), metric.signature())


def _accuracy_rows(hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
    hits = [h == r for h, r in zip(hypotheses, references, strict=True)]
    return np.column_stack([np.asarray(hits, dtype=np.float64), np.ones(len(hits))])


def _share(sums: Statistics) -> Statistics:
    return 100 * sums[:, 0] / sums[:, 1]


def _class_rows(hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
    """Per class: hits, times predicted, times true; (N, 3 * classes)."""
    names = np.unique([*references, *hypotheses])
    said = np.asarray(hypotheses)[:, None] == names
    true = np.asarray(references)[:, None] == names
    return np.concatenate([said & true, said, true], axis=1).astype(np.float64)


def label_classes(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Statistics]:
    """Per label that the references have, (N, 3): right, said, true."""
    said, true = np.asarray(hypotheses), np.asarray(references)
    pairs = {str(name): (said == name, true == name) for name in np.unique(true)}
    return {
        name: np.column_stack([s & t, s, t]).astype(np.float64) for name, (s, t) in pairs.items()
    }


def _macro_f1(sums: Statistics) -> Statistics:
    hits, said, true = np.split(sums, 3, axis=1)  # (R, classes) each
    per_class = 2 * hits / np.maximum(said + true, 1)
    is_there = said + true > 0
    scores: Statistics = 100 * (per_class * is_there).sum(1) / is_there.sum(1)
    return scores


def spans(rows: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the entities of BIO tags, strictly: an ``I-`` that continues nothing is no entity.

    Returns:
        Over all tokens end to end: where the entity that starts at a token
        stops (exclusive; 0 if none starts), and the number of its row.
    """
    row_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    tags = np.asarray([tag for row in rows for tag in row] + ["O"])
    prefix, kind = tags.astype("U1"), np.asarray([tag[2:] for tag in tags])
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
    """Entities found rightly, found, and true, each at the token where it starts: whether one does, and its kind.

    Returns:
        The row of each token, and the three.

    Raises:
        ValueError: If a row has more or fewer tags than tokens.
    """
    lengths = [(len(h), len(r)) for h, r in zip(hypotheses, references, strict=True)]
    wrong = [i for i, (h, r) in enumerate(lengths) if h != r]
    if wrong:
        h, r = lengths[wrong[0]]
        raise ValueError(f"row {wrong[0]} has {h} predicted tags for {r} tokens")
    said, row_of = spans(hypotheses)
    true, _ = spans(references)
    said_kind, true_kind = (
        np.asarray([tag[2:] for row in rows for tag in row], dtype=str)
        for rows in (hypotheses, references)
    )
    is_hit = (said > 0) & (said == true) & (said_kind == true_kind)
    return row_of, [(is_hit, true_kind), (said > 0, said_kind), (true > 0, true_kind)]


def _span_rows(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> Statistics:
    """Per row: entities found rightly, found, and true."""
    row_of, found = _entities(hypotheses, references)
    return np.column_stack(
        [np.bincount(row_of, weights=starts, minlength=len(references)) for starts, _ in found]
    )


def span_classes(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> dict[str, Statistics]:
    """Per kind of entity that the references have, (N, 3): found rightly, found, true."""
    row_of, found = _entities(hypotheses, references)
    is_true, kinds = found[2]
    return {
        str(kind): np.column_stack(
            [
                np.bincount(row_of, weights=starts & (of == kind), minlength=len(references))
                for starts, of in found
            ]
        )
        for kind in np.unique(kinds[is_true])
    }


def f1(sums: Statistics) -> Statistics:
    """F1 in percent of (R, 3): right, said, true."""
    return 200 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1)


def _token_rows(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> Statistics:
    pairs = zip(hypotheses, references, strict=True)
    hits = [sum(a == b for a, b in zip(h, r, strict=True)) for h, r in pairs]
    return np.column_stack([hits, [len(r) for r in references]]).astype(np.float64)


def _nats_rows(hypotheses: Sequence[NDArray[np.float32]], references: Sequence[str]) -> Statistics:
    """Per text: nats of its tokens and its end, their number, and its characters, its end counted as one.

    Of few texts the tokens are cut into blocks: a resample of one long text
    would always be itself.
    """
    rows = []
    for nats, text in zip(hypotheses, references, strict=True):
        num_blocks = max(1, round(len(nats) / BLOCK_TOKENS)) if len(hypotheses) < FEW_TEXTS else 1
        per_token = (len(text) + 1) / len(nats)
        blocks = np.array_split(nats.astype(np.float64), num_blocks)
        rows += [(block.sum(), len(block), len(block) * per_token) for block in blocks]
    return np.asarray(rows, dtype=np.float64).reshape(-1, 3)


def _bits(sums: Statistics) -> Statistics:
    return np.asarray(sums[:, 0] / sums[:, 2] / np.log(2))


def _perplexity(sums: Statistics) -> Statistics:
    return np.asarray(np.exp(sums[:, 0] / sums[:, 1]))


def text_metric(
    name: str, title: str, metric: Any, score: Callable[[Statistics], Statistics]
) -> Metric:
    """A metric of texts that sacreBLEU counts."""
    return Metric(
        name, title, segment_statistics(metric), score, lambda: str(metric.get_signature())
    )


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
        text_metric("bleu", "BLEU", bleu_metric(DEFAULT_TOKENIZER), bleu_scores),
        text_metric("chrf", "chrF", CHRF_METRIC, chrf_scores),
    )
}


def find_metric(name: str, *, tokenizer: str = "") -> Metric:
    """Find a metric by its name.

    Args:
        name: Of ``METRICS``.
        tokenizer: The one of sacreBLEU that BLEU cuts texts with, ``13a`` if empty; other metrics have none.

    Raises:
        ValueError: If there is none, with the nearest name, or the tokenizer is not installed.
    """
    if name not in METRICS:
        raise ValueError(f"there is no metric {name!r}: {nearest(name, list(METRICS))}")
    if name != "bleu" or tokenizer in ("", DEFAULT_TOKENIZER):
        return METRICS[name]
    return text_metric(name, METRICS[name].title, bleu_metric(tokenizer), bleu_scores)
