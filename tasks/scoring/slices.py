"""Facts about the test split of a version: lengths, unknown words, and the scores of its parts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.text.tokenizer import WHOLE_TOKENS
from rnn_models.batching.batch import UNK_ID, Ragged
from rnn_models.evaluation.slices import Masks, Slice, by_length, by_unknown, score_slices
from rnn_models.problem import find_problem
from tasks.scoring.bleu_tokenizer import scripts_of
from tasks.scoring.evaluation import load_evaluation
from tasks.store.artifacts import Scores, TokenSet
from tasks.store.token_sets import streams_of

NOT_A_WORD = r"[^\pL\pN]+"
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class SplitFacts:
    """Facts about a test split.

    ``longest`` is its longest text in tokens, ``unknown`` the share of its
    words (or characters, as ``unit`` says) that are unknown, ``starts`` the
    labels that its texts start from. It has no ``slices`` where its texts are
    scored as one.
    """

    longest: int
    unknown: float
    unit: str
    starts: list[str]
    slices: list[Slice]


def split_facts(scores: Scores, tokens: TokenSet) -> SplitFacts:
    """Score the parts of a test split: by length, by unknown words, by class or start label."""
    kind = find_problem(tokens.problem).output
    test = tokens.snapshot_of().table("test")
    sides = find_problem(tokens.problem).sides(test.column_names)
    read: Ragged = getattr(tokens.examples("test"), kind.read_side)
    starts = test["label"].to_pylist() if kind.is_continuation and len(sides) > 1 else []
    index = int(kind.read_side == "target")
    is_unspaced = not kind.has_entities and scripts_of(tokens, index=index).is_unspaced
    unknown, total = count_unknown(tokens, read, sides, is_unspaced=is_unspaced)
    is_by_character = tokens.tokenizer == "characters" or (
        is_unspaced and tokens.tokenizer not in WHOLE_TOKENS
    )
    unit = "characters" if is_by_character else "words"
    masks = by_length(read.lengths, tokens.settings["max_length"]) | by_unknown(
        unknown / np.maximum(total, 1), unit
    )
    masks |= {f"label {name}": np.asarray(starts) == name for name in sorted(set(starts))}
    return SplitFacts(
        longest=int(read.lengths.max(initial=0)),
        unknown=float(unknown.sum() / max(1, total.sum())),
        unit=unit,
        starts=sorted(set(starts)),
        slices=slices_of(scores, masks, kind.classes_title),
    )


def slices_of(scores: Scores, masks: Masks, title: str) -> list[Slice]:
    """Score parts of the examples, and classes; nothing where texts are scored as one."""
    found = load_evaluation(scores)
    if any(len(mask) != len(found.statistics) for mask in masks.values()):
        return []
    classes = {f"{title} {name}": rows for name, rows in found.classes.items()}
    return score_slices(found.metric, found.statistics, masks, classes)


def count_unknown(
    tokens: TokenSet, read: Ragged, sides: tuple[str, ...], *, is_unspaced: bool = False
) -> tuple[Counts, Counts]:
    """Count unknown words and all words of each test text, (N,) each.

    Where whole words or characters are read, one without an id of its own is
    unknown. Of pieces nearly all are known, so there a word, in small letters,
    is unknown if no training text has it; a character, where spaces do not
    separate words.
    """
    num = len(read)
    kind = find_problem(tokens.problem).output
    if tokens.tokenizer in WHOLE_TOKENS or kind.has_entities:
        row_of = np.repeat(np.arange(num), read.lengths)
        return _sums(row_of, np.asarray(read.ids) == UNK_ID, num), read.lengths.astype(np.float64)
    column = sides[-1] if kind.is_continuation else sides[0]
    snapshot = tokens.snapshot_of()
    train = [
        words_of(table[column], is_unspaced=is_unspaced)[1]
        for table in streams_of(snapshot, tokens.limit, sides)["train"]
    ]
    row_of, words = words_of(snapshot.table("test")[column], is_unspaced=is_unspaced)
    is_known = pc.is_in(words, pc.unique(pa.chunked_array(train, pa.string()))).to_numpy(
        zero_copy_only=False
    )
    return _sums(row_of, ~is_known, num), _sums(row_of, np.ones(len(row_of), bool), num)


def _sums(row_of: NDArray[np.int64], hits: NDArray[np.bool_], num: int) -> Counts:
    """Count the hits of each text."""
    return np.bincount(row_of, weights=hits, minlength=num).astype(np.float64)


def words_of(
    column: pa.ChunkedArray, *, is_unspaced: bool = False
) -> tuple[NDArray[np.int64], pa.Array]:
    """Cut texts into runs of letters and digits, in small letters, or into single ones.

    Returns:
        The number of the text of each word, and the words.
    """
    texts = pc.utf8_lower(pa.concat_arrays([chunk.cast(pa.string()) for chunk in column.chunks]))
    if is_unspaced:
        apart = pc.replace_substring_regex(texts, r"([\pL\pN])", r" \1 ")
        rows = pc.split_pattern_regex(apart, r"[^\pL\pN\pM]+")
    else:
        rows = pc.split_pattern_regex(texts, NOT_A_WORD)
    words = pc.list_flatten(rows)
    row_of = pc.list_parent_indices(rows)
    is_word = pc.not_equal(words, "")
    return row_of.filter(is_word).to_numpy(), words.filter(is_word)
