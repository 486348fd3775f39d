"""What a version was tested on, read from the outputs of its evaluation: how long, how unknown, and where it is weak."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.text.tokenizer import WHOLE_TOKENS
from rnn_models.batching.batch import UNK_ID, Ragged
from rnn_models.evaluation.metrics import Statistics, find_metric
from rnn_models.evaluation.slices import Masks, Slice, by_length, by_unknown, score_slices
from rnn_models.problem import find_problem
from tasks.scoring.bleu_tokenizer import scripts_of
from tasks.scoring.outputs import OUTPUTS, STATISTICS
from tasks.store.artifacts import Scores, TokenSet
from tasks.store.token_sets import streams_of

NOT_A_WORD = r"[^\pL\pN]+"
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class SplitFacts:
    """Facts about a test split: its longest text in tokens, the share of its words that are unknown, and scores of its parts.

    ``starts`` are the labels that its texts start from. Where the texts are scored as one, it has no parts.
    """

    longest: int
    unknown: float
    unit: str
    starts: list[str]
    slices: list[Slice]


def split_facts(scores: Scores, tokens: TokenSet) -> SplitFacts:
    """Score the parts of a test split: by length, by unknown words, by what is true or what a text starts from."""
    test = tokens.snapshot_of().table("test")
    sides, examples = find_problem(tokens.problem).sides(test.column_names), tokens.examples("test")
    read = examples.target if sides[-1] == "text" else examples.source
    starts = test["label"].to_pylist() if sides == ("label", "text") else []
    is_unspaced = (
        sides[-1] != "tags"
        and scripts_of(tokens, place=1 if sides[-1] == "text" else 0).is_unspaced
    )
    unknown, total = count_unknown(tokens, read, sides, is_unspaced=is_unspaced)
    is_by_character = tokens.tokenizer == "characters" or (
        is_unspaced and tokens.tokenizer not in WHOLE_TOKENS
    )
    unit = "characters" if is_by_character else "words"
    masks = by_length(read.lengths, tokens.settings["max_length"]) | by_unknown(
        unknown / np.maximum(total, 1), unit
    )
    masks |= {f"label {name}": np.asarray(starts) == name for name in sorted(set(starts))}
    slices = slices_of(scores, masks, "entities" if sides[-1] == "tags" else "label")
    return SplitFacts(
        int(read.lengths.max(initial=0)),
        float(unknown.sum() / max(1, total.sum())),
        unit,
        sorted(set(starts)),
        slices,
    )


def slices_of(scores: Scores, masks: Masks, kind: str) -> list[Slice]:
    """Score parts of the examples, and classes where answers have some; nothing where texts are scored as one."""
    metric, statistics = (
        find_metric(scores.headline),
        np.load(scores.folder / STATISTICS)[scores.headline],
    )
    if any(len(mask) != len(statistics) for mask in masks.values()):
        return []
    classes: dict[str, Statistics] = {}
    if metric.classes:
        outputs = pd.read_parquet(scores.folder / OUTPUTS)
        classes = metric.classes(outputs["output"].tolist(), outputs["reference"].tolist())
    return score_slices(
        metric, statistics, masks, {f"{kind} {name}": rows for name, rows in classes.items()}
    )


def count_unknown(
    tokens: TokenSet, read: Ragged, sides: tuple[str, ...], *, is_unspaced: bool = False
) -> tuple[Counts, Counts]:
    """Unknown words and all words of each test text, (N,) each.

    Where whole words or characters are read, unknown is what has no id of its
    own. Of pieces nearly all are known, so there it is the words, in small
    letters, that no training text has; the characters, where spaces do not
    separate words.
    """
    num = len(read)
    if tokens.tokenizer in WHOLE_TOKENS or sides[-1] == "tags":
        row_of = np.repeat(np.arange(num), read.lengths)
        return _sums(row_of, np.asarray(read.ids) == UNK_ID, num), read.lengths.astype(np.float64)
    column, snapshot = sides[-1] if sides[-1] == "text" else sides[0], tokens.snapshot_of()
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
    """Hits of each text."""
    return np.bincount(row_of, weights=hits, minlength=num).astype(np.float64)


def words_of(
    column: pa.ChunkedArray, *, is_unspaced: bool = False
) -> tuple[NDArray[np.int64], pa.Array]:
    """Runs of letters and digits of texts, in small letters, each with the number of its text; or each letter and digit."""
    texts = pc.utf8_lower(pa.concat_arrays([chunk.cast(pa.string()) for chunk in column.chunks]))
    if is_unspaced:
        apart = pc.replace_substring_regex(texts, r"([\pL\pN])", r" \1 ")
        rows = pc.split_pattern_regex(apart, r"[^\pL\pN\pM]+")
    else:
        rows = pc.split_pattern_regex(texts, NOT_A_WORD)
    words, row_of = pc.list_flatten(rows), pc.list_parent_indices(rows)
    is_word = pc.not_equal(words, "")
    return row_of.filter(is_word).to_numpy(), words.filter(is_word)
