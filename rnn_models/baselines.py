"""Cheap systems that an RNN has to beat, from the same ids as it sees.

N examples, V source ids, K labels or tags.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from rnn_models.batch import Examples, Ragged
from rnn_models.ngrams import ngram_nats, num_ngrams
from rnn_models.problem import nearest

Targets = list[list[int]]
Baseline = Callable[[Examples, Examples], list[Any]]  # targets, or the nats of each token of each text
NGRAMS = ("unigram", "bigram", "trigram")


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
    """Logistic regression on which words a text has, their order unseen."""
    num_ids = _num_ids(train.source, test.source)
    # Row norms of 1 let the solver converge in tens of steps.
    seen = normalize(count_matrix(train.source, num_ids).sign())
    asked = normalize(count_matrix(test.source, num_ids).sign())
    model = LogisticRegression(C=4.0, max_iter=300).fit(seen, train.target.ids)
    return [[int(label)] for label in model.predict(asked)]


def frequent_tag(train: Examples, test: Examples) -> Targets:
    """For each token the tag it had most often; for an unseen one the most frequent tag."""
    num_ids, num_tags = _num_ids(train.source, test.source), _num_ids(train.target)
    pairs = train.source.ids.astype(np.int64) * num_tags + train.target.ids
    counts = np.bincount(pairs, minlength=num_ids * num_tags).reshape(num_ids, num_tags)
    counts[counts.sum(1) == 0] = counts.sum(0)
    tags = counts.argmax(1)
    return [tags[test.source.row(i)].tolist() for i in range(len(test))]


def nearest_pair(train: Examples, test: Examples) -> Targets:
    """The target of the training pair whose source shares the rarest tokens."""
    num_ids = _num_ids(train.source, test.source)
    weigh = TfidfTransformer()
    known = weigh.fit_transform(count_matrix(train.source, num_ids)).T.tocsr()
    asked = weigh.transform(count_matrix(test.source, num_ids))
    # A token of more than one source in twenty says little and costs most of the product.
    is_rare = np.diff(known.indptr) < max(20, 0.05 * len(train))
    asked = asked @ scipy.sparse.diags_array(is_rare.astype(np.float64)).tocsr()
    blocks = [asked[i : i + 256] @ known for i in range(0, len(test), 256)]
    found = np.concatenate([np.asarray(block.argmax(axis=1)).ravel() for block in blocks])
    return [train.target.row(int(i)) for i in found]


BASELINES: dict[str, Baseline] = {
    baseline.__name__: baseline for baseline in (majority, bag_of_words, frequent_tag, nearest_pair)
}
BASELINES |= {name: partial(ngram_nats, order=order) for order, name in enumerate(NGRAMS, start=1)}


def num_learnt(name: str, train: Examples) -> int:
    """How many numbers a baseline takes from the training split: what its parameters are to a network."""
    if name in NGRAMS:
        return num_ngrams(train, order=1 + NGRAMS.index(name))
    num_ids, num_labels = _num_ids(train.source), _num_ids(train.target)
    return {
        "majority": 1,
        "bag_of_words": (num_ids + 1) * (1 if num_labels == 2 else num_labels),  # two labels need one border
        "frequent_tag": num_ids,
        "nearest_pair": len(train.source.ids) + len(train.target.ids),
    }[name]


def find_baseline(name: str) -> Baseline:
    """Find a baseline by its name.

    Raises:
        ValueError: If there is none, with the nearest name.
    """
    if name not in BASELINES:
        raise ValueError(f"there is no baseline {name!r}: {nearest(name, list(BASELINES))}")
    return BASELINES[name]
