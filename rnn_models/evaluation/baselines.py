"""Cheap systems that an RNN has to beat, from the same ids as it sees.

N examples, V source ids, K labels or tags.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from rnn_models.batching.batch import Examples, Ragged
from rnn_models.evaluation.ngrams import ngram_nats, num_ngrams
from rnn_models.evaluation.text_features import character_ids, ngram_counts
from rnn_models.names import nearest

Targets = list[list[int]]
Baseline = Callable[
    [Examples, Examples], list[Any]
]  # targets, or the nats of each token of each text
# Sources and targets of the training split and the sources to answer, all raw; gives targets.
TextBaseline = Callable[[Sequence[str], Sequence[str], Sequence[str]], list[str]]
NGRAMS = ("unigram", "bigram", "trigram", "fourgram", "fivegram")
ORDERS = (1, 2, 3, 4)
# What bounds the cost of character n-grams: rows of the training split, and characters of all of them together.
MOST_ROWS, MOST_CHARACTERS = 100_000, 6_000_000


def count_matrix(rows: Ragged, num_ids: int) -> scipy.sparse.csr_matrix:
    """How often each id stands in each row, (N, V)."""
    ones = np.ones(len(rows.ids), dtype=np.float32)
    shape = (len(rows), num_ids)
    # A copy: summing duplicates sorts in place, and the ids are not ours to sort.
    counts = scipy.sparse.csr_matrix((ones, rows.ids, rows.offsets), shape=shape, copy=True)
    counts.sum_duplicates()
    return counts


def _num_ids(*columns: Ragged) -> int:
    return 1 + max(int(column.ids.max(initial=0)) for column in columns)


def majority(train: Examples, test: Examples) -> Targets:
    """The most frequent label for everything."""
    label = int(np.bincount(train.target.ids).argmax())
    return [[label]] * len(test)


def bag_of_words(train: Examples, test: Examples) -> Targets:
    """A linear classifier of which words and pairs of neighbours a text has."""
    parts = [
        ngram_counts(rows.ids.astype(np.int64), rows.offsets, (1, 2))
        for rows in (train.source, test.source)
    ]
    return [
        [int(label)] for label in _classified(parts[0], train.target.ids, parts[1], penalty=0.5)
    ]


def character_ngrams(
    sources: Sequence[str], targets: Sequence[str], asked: Sequence[str]
) -> list[str]:
    """A linear classifier of which stretches of one to four characters a text has.

    Needs no words, so it serves texts that do not separate them. Of large
    training splits it reads some rows, and of long texts their beginnings.
    """
    rows = np.unique(np.linspace(0, len(sources) - 1, min(len(sources), MOST_ROWS)).astype(int))
    most = max(1, MOST_CHARACTERS // len(rows))
    known, new = (
        ngram_counts(*character_ids(texts, most), ORDERS)
        for texts in ([sources[i] for i in rows], asked)
    )
    return [
        str(label)
        for label in _classified(known, np.asarray([targets[i] for i in rows]), new, penalty=0.3)
    ]


def _classified(
    known: scipy.sparse.csr_matrix,
    labels: NDArray[Any],
    asked: scipy.sparse.csr_matrix,
    *,
    penalty: float,
) -> NDArray[Any]:
    """Labels of texts by a linear support vector machine over tf-idf; penalties were chosen on rotten_tomatoes' validation."""
    if len(np.unique(labels)) == 1:
        return np.full(asked.shape[0], labels[0])
    weigh = TfidfTransformer(sublinear_tf=True)
    model = LinearSVC(C=penalty, random_state=0).fit(weigh.fit_transform(known), labels)
    return np.asarray(model.predict(weigh.transform(asked)))


def frequent_tag(train: Examples, test: Examples) -> Targets:
    """For each token the tag it had most often; for an unseen one the most frequent tag."""
    num_ids, num_tags = _num_ids(train.source, test.source), _num_ids(train.target)
    pairs = train.source.ids.astype(np.int64) * num_tags + train.target.ids
    counts = np.bincount(pairs, minlength=num_ids * num_tags).reshape(num_ids, num_tags)
    counts[counts.sum(1) == 0] = counts.sum(0)
    tags = counts.argmax(1)
    return [tags[test.source.row(i)].tolist() for i in range(len(test))]


def tag_in_context(train: Examples, test: Examples) -> Targets:
    """For each token the tag it had most often between the same neighbours, else beside one of them, else anywhere."""
    num_train, num_tags = len(train.source.ids), _num_ids(train.target)
    columns = [_with_neighbours(rows) for rows in (train.source, test.source)]
    before, here, behind = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    width = int(here.max(initial=0)) + 2
    tags = np.full(len(here), int(np.bincount(train.target.ids).argmax()))
    pair = before * width + here  # before both comes what is seen most often
    for context in (here, here * width + behind, pair, _numbered(pair) * width + behind):
        number = _numbered(context)
        cells = number[:num_train] * num_tags + train.target.ids
        kinds, counts = np.unique(cells, return_counts=True)
        order = np.argsort(
            counts, kind="stable"
        )  # the most frequent tag of a context is written last
        best = np.full(int(number.max(initial=0)) + 1, -1)
        best[kinds[order] // num_tags] = kinds[order] % num_tags
        tags = np.where(best[number] >= 0, best[number], tags)
    return [row.tolist() for row in np.split(tags[num_train:], test.source.offsets[1:-1])]


def _with_neighbours(
    rows: Ragged,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The token before each token, the token and the one behind it, their ids moved up by one; 0 where there is none."""
    here = rows.ids.astype(np.int64) + 1
    before, behind = np.zeros_like(here), np.zeros_like(here)
    before[1:], behind[:-1] = here[:-1], here[1:]
    starts = rows.offsets[:-1][rows.lengths > 0]
    before[starts] = 0
    behind[starts[1:] - 1] = 0
    return before, here, behind


def _numbered(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64)


def nearest_pair(train: Examples, test: Examples) -> Targets:
    """The target of the training pair whose source shares the rarest tokens."""
    num_ids = _num_ids(train.source, test.source)
    found = _nearest(count_matrix(train.source, num_ids), count_matrix(test.source, num_ids))
    return [train.target.row(i) for i in found]


def nearest_characters(
    sources: Sequence[str], targets: Sequence[str], asked: Sequence[str]
) -> list[str]:
    """The target of the training pair whose source shares the rarest stretches of one to three characters."""
    most = max(1, MOST_CHARACTERS // len(sources))
    known, new = (
        ngram_counts(*character_ids(texts, most), (1, 2, 3)) for texts in (sources, asked)
    )
    return [targets[i] for i in _nearest(known, new)]


def _nearest(sources: scipy.sparse.csr_matrix, others: scipy.sparse.csr_matrix) -> list[int]:
    """For each of the others the row of the sources that is nearest by tf-idf."""
    weigh = TfidfTransformer()
    known = weigh.fit_transform(sources).T.tocsr()
    asked = weigh.transform(others)
    # A feature of more than one source in twenty says little and costs most of the product.
    is_rare = np.diff(known.indptr) < max(20, 0.05 * sources.shape[0])
    asked = asked @ scipy.sparse.diags_array(is_rare.astype(np.float64)).tocsr()
    blocks = [asked[i : i + 256] @ known for i in range(0, asked.shape[0], 256)]
    return [int(i) for block in blocks for i in np.asarray(block.argmax(axis=1)).ravel()]


BASELINES: dict[str, Baseline] = {
    baseline.__name__: baseline
    for baseline in (majority, bag_of_words, frequent_tag, tag_in_context, nearest_pair)
}
TEXT_BASELINES: dict[str, TextBaseline] = {
    baseline.__name__: baseline for baseline in (character_ngrams, nearest_characters)
}
UNSPACED_ONLY = (
    "nearest_characters",
)  # where words stand apart, the pair nearest by tokens costs less
BASELINES |= {name: partial(ngram_nats, order=order) for order, name in enumerate(NGRAMS, start=1)}


def num_learnt(name: str, train: Examples) -> int:
    """How many numbers a baseline takes from the training split: what its parameters are to a network."""
    if name in NGRAMS:
        return num_ngrams(train, order=1 + NGRAMS.index(name))
    if name == "majority":
        return 1
    if name == "bag_of_words":
        num_labels = _num_ids(train.target)
        num_features = len(
            np.unique(
                ngram_counts(
                    train.source.ids.astype(np.int64), train.source.offsets, (1, 2)
                ).indices
            )
        )
        return (num_features + 1) * (
            1 if num_labels == 2 else num_labels
        )  # two labels need one border
    if name == "frequent_tag":
        return _num_ids(train.source)
    if name == "tag_in_context":
        return int(np.unique(np.stack(_with_neighbours(train.source)), axis=1).shape[1])
    return len(train.source.ids) + len(train.target.ids)


def num_learnt_of_texts(name: str, sources: Sequence[str], targets: Sequence[str]) -> int:
    """The same of a baseline that reads raw texts."""
    if name == "nearest_characters":
        return sum(map(len, (*sources, *targets)))
    num_labels = len(set(targets))
    features = ngram_counts(
        *character_ids(sources, max(1, MOST_CHARACTERS // len(sources))), ORDERS
    ).indices
    return (len(np.unique(features)) + 1) * (1 if num_labels == 2 else num_labels)


def find_baseline(name: str) -> Baseline:
    """Find a baseline by its name.

    Raises:
        ValueError: If there is none, with the nearest name.
    """
    if name not in BASELINES:
        raise ValueError(f"there is no baseline {name!r}: {nearest(name, list(BASELINES))}")
    return BASELINES[name]
