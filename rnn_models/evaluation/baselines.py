"""The baselines that problems share: simple systems that a model has to beat.

N examples, V source ids, K labels or tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_models.batching.batch import Examples, Ragged
from rnn_models.evaluation.baseline import Baseline
from rnn_models.evaluation.ngrams import ngram_negative_log_likelihoods, num_ngrams
from rnn_models.evaluation.text_features import bag_of_ids, character_ids, ngram_counts
from rnn_models.names import nearest
from rnn_models.problem import find_problem, problem_names

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Targets = list[list[int]]
NGRAMS = ("unigram", "bigram", "trigram", "fourgram", "fivegram")
ORDERS = (1, 2, 3, 4)
# Character n-grams take time and memory in proportion to the training rows and to all characters.
MAX_ROWS = 100_000
MAX_CHARACTERS = 6_000_000


def _num_ids(*columns: Ragged) -> int:
    return 1 + max(int(column.ids.max(initial=0)) for column in columns)


def majority(train: Examples, test: Examples) -> Targets:
    """Predict the most frequent label for everything."""
    label = int(np.bincount(train.target.ids).argmax())
    return [[label]] * len(test)


def bag_of_words(train: Examples, test: Examples) -> Targets:
    """Classify by the words and pairs of neighbours of a text, with a linear model."""
    parts = [
        ngram_counts(rows.ids.astype(np.int64), rows.offsets, (1, 2))
        for rows in (train.source, test.source)
    ]
    return [
        [int(label)] for label in _classified(parts[0], train.target.ids, parts[1], penalty=0.5)
    ]


def character_ngrams(
    sources: Sequence[str], targets: Sequence[str], others: Sequence[str]
) -> list[str]:
    """Classify by the runs of one to four characters of a text, with a linear model.

    It needs no words, so it serves texts that do not separate them. Of large
    training splits it reads some rows, and of long texts their beginnings.
    """
    rows = np.unique(np.linspace(0, len(sources) - 1, min(len(sources), MAX_ROWS)).astype(int))
    most = max(1, MAX_CHARACTERS // len(rows))
    known, new = (
        ngram_counts(*character_ids(texts, most), ORDERS)
        for texts in ([sources[i] for i in rows], others)
    )
    return [
        str(label)
        for label in _classified(known, np.asarray([targets[i] for i in rows]), new, penalty=0.3)
    ]


def _classified(
    known: csr_matrix,
    labels: NDArray[Any],
    others: csr_matrix,
    *,
    penalty: float,
) -> NDArray[Any]:
    """Classify texts by a linear support vector machine over tf-idf.

    Penalties were chosen on the validation split of rotten_tomatoes.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.svm import LinearSVC

    # A linear classifier needs two classes.
    if len(np.unique(labels)) == 1:
        return np.full(others.shape[0], labels[0])
    weigh = TfidfTransformer(sublinear_tf=True)
    # The solver visits rows in random order; with a fixed seed the baseline is the same every time.
    model = LinearSVC(C=penalty, random_state=0).fit(weigh.fit_transform(known), labels)
    return np.asarray(model.predict(weigh.transform(others)))


def frequent_tag(train: Examples, test: Examples) -> Targets:
    """Predict the most frequent tag of each token; of an unseen one the most frequent of all."""
    num_ids = _num_ids(train.source, test.source)
    num_tags = _num_ids(train.target)
    pairs = train.source.ids.astype(np.int64) * num_tags + train.target.ids
    counts = np.bincount(pairs, minlength=num_ids * num_tags).reshape(num_ids, num_tags)
    counts[counts.sum(1) == 0] = counts.sum(0)
    tags = counts.argmax(1)
    return [tags[test.source.row(i)].tolist() for i in range(len(test))]


def tag_in_context(train: Examples, test: Examples) -> Targets:
    """Predict the most frequent tag of each token between the same neighbours.

    A token that is new between them gets the most frequent tag beside one of
    them, else anywhere.
    """
    num_train = len(train.source.ids)
    num_tags = _num_ids(train.target)
    columns = [_with_neighbours(rows) for rows in (train.source, test.source)]
    before, here, behind = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    width = int(here.max(initial=0)) + 2
    tags = np.full(len(here), int(np.bincount(train.target.ids).argmax()))
    pair = before * width + here  # later contexts overwrite: the pair comes before both neighbours
    for context in (here, here * width + behind, pair, _numbered(pair) * width + behind):
        number = _numbered(context)
        cells = number[:num_train] * num_tags + train.target.ids
        kinds, counts = np.unique(cells, return_counts=True)
        order = np.argsort(counts, kind="stable")  # so the most frequent tag is written last
        best = np.full(int(number.max(initial=0)) + 1, -1)
        best[kinds[order] // num_tags] = kinds[order] % num_tags
        tags = np.where(best[number] >= 0, best[number], tags)
    return [row.tolist() for row in np.split(tags[num_train:], test.source.offsets[1:-1])]


def _with_neighbours(
    rows: Ragged,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Give the token before each token, the token and the one behind it, (tokens,) each.

    Ids are moved up by one; 0 stands where there is none.
    """
    here = rows.ids.astype(np.int64) + 1
    before = np.zeros_like(here)
    behind = np.zeros_like(here)
    before[1:] = here[:-1]
    behind[:-1] = here[1:]
    starts = rows.offsets[:-1][rows.lengths > 0]
    before[starts] = 0
    behind[starts[1:] - 1] = 0
    return before, here, behind


def _numbered(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64)


def nearest_pair(train: Examples, test: Examples) -> Targets:
    """Predict the target of the training pair whose source shares the rarest tokens."""
    num_ids = _num_ids(train.source, test.source)
    known, new = (
        bag_of_ids(side.ids, side.offsets, num_ids) for side in (train.source, test.source)
    )
    found = _nearest(known, new)
    return [train.target.row(i) for i in found]


def nearest_characters(
    sources: Sequence[str], targets: Sequence[str], others: Sequence[str]
) -> list[str]:
    """Predict the target of the pair whose source shares the rarest runs of 1 to 3 characters."""
    most = max(1, MAX_CHARACTERS // len(sources))
    known, new = (
        ngram_counts(*character_ids(texts, most), (1, 2, 3)) for texts in (sources, others)
    )
    return [targets[i] for i in _nearest(known, new)]


def _nearest(sources: csr_matrix, others: csr_matrix) -> list[int]:
    """Find the nearest row of the sources by tf-idf, for each of the others."""
    from scipy.sparse import diags_array
    from sklearn.feature_extraction.text import TfidfTransformer

    weigh = TfidfTransformer()
    known = weigh.fit_transform(sources).T.tocsr()
    weights = weigh.transform(others)
    # A feature of more than one source in twenty tells little apart and takes most of the time.
    is_rare = np.diff(known.indptr) < max(20, 0.05 * sources.shape[0])
    weights = weights @ diags_array(is_rare.astype(np.float64)).tocsr()
    blocks = [weights[i : i + 256] @ known for i in range(0, weights.shape[0], 256)]
    return [int(i) for block in blocks for i in np.asarray(block.argmax(axis=1)).ravel()]


def _count_one(train: Examples) -> int:
    return 1


def _count_bag_of_words(train: Examples) -> int:
    counts = ngram_counts(train.source.ids.astype(np.int64), train.source.offsets, (1, 2))
    return _count_classifier(counts, _num_ids(train.target))


def _count_character_ngrams(sources: Sequence[str], targets: Sequence[str]) -> int:
    most = max(1, MAX_CHARACTERS // len(sources))
    return _count_classifier(ngram_counts(*character_ids(sources, most), ORDERS), len(set(targets)))


def _count_classifier(counts: csr_matrix, num_labels: int) -> int:
    """Count the weights of a linear classifier; two labels need one border."""
    return (len(np.unique(counts.indices)) + 1) * (1 if num_labels == 2 else num_labels)


def _count_tokens(train: Examples) -> int:
    return _num_ids(train.source)


def _count_contexts(train: Examples) -> int:
    return int(np.unique(np.stack(_with_neighbours(train.source)), axis=1).shape[1])


def _count_ids(train: Examples) -> int:
    return len(train.source.ids) + len(train.target.ids)


def _count_characters(sources: Sequence[str], targets: Sequence[str]) -> int:
    return sum(map(len, (*sources, *targets)))


BASELINES = {
    baseline.name: baseline
    for baseline in (
        Baseline(name="majority", predict=majority, num_learnt=_count_one),
        Baseline(name="bag_of_words", predict=bag_of_words, num_learnt=_count_bag_of_words),
        Baseline(name="frequent_tag", predict=frequent_tag, num_learnt=_count_tokens),
        Baseline(name="tag_in_context", predict=tag_in_context, num_learnt=_count_contexts),
        Baseline(name="nearest_pair", predict=nearest_pair, num_learnt=_count_ids),
        Baseline(
            name="character_ngrams",
            predict=character_ngrams,
            num_learnt=_count_character_ngrams,
            reads_texts=True,
        ),
        Baseline(
            name="nearest_characters",
            predict=nearest_characters,
            num_learnt=_count_characters,
            reads_texts=True,
            # Where words stand apart, the pair nearest by tokens takes less time.
            is_unspaced_only=True,
        ),
        *(
            Baseline(
                name=name,
                predict=partial(ngram_negative_log_likelihoods, order=order),
                num_learnt=partial(num_ngrams, order=order),
            )
            for order, name in enumerate(NGRAMS, start=1)
        ),
    )
}


def find_baseline(name: str) -> Baseline:
    """Find a baseline by its name: a shared one, or one that a problem brings.

    Raises:
        ValueError: If there is none, with the nearest name.
    """
    if name in BASELINES:
        return BASELINES[name]
    # Last, since it imports every problem.
    problems = map(find_problem, problem_names())
    own = {baseline.name: baseline for problem in problems for baseline in problem.own_baselines}
    if name not in own:
        raise ValueError(f"there is no baseline {name!r}: {nearest(name, [*BASELINES, *own])}")
    return own[name]
