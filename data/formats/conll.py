"""CoNLL: a token and its tag on each line, and a blank line after each sentence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.formats.base import TEXT, Columns, Fault, FormatKind, as_table, faults_table
from data.formats.lines import Mask, is_blank, line_groups, mask
from data.formats.tags import SCHEMES, find_broken, to_bio

WHITESPACE = "whitespace"
# Marks of documents and comments in files of the CoNLL tasks and of Universal Dependencies.
MARKS = (
    r"^(#\s*(newdoc|newpar|sent_id|text|global\.columns)(\s*=|\s+id\s*=|\s*$)"
    r"|#\s*id\s+\S+\s+domain="
    r"|#(begin|end) document\b|-DOC(START|END)-(\s|$))"
)


@dataclass(frozen=True)
class _Sentences:
    """The lines of tokens, end to end, and the offsets of the sentences."""

    lines: pa.Array  # (N,)
    numbers: NDArray[np.int64]  # (N,), of each line in its file, from 1
    offsets: NDArray[np.int32]  # (S + 1,)

    def at(self, line: int) -> int:
        """Return the sentence of a line."""
        return int(np.searchsorted(self.offsets, line, side="right")) - 1

    def raw(self, sentence: int) -> str:
        """Return the lines of a sentence as they are in the file."""
        first, last = self.offsets[sentence : sentence + 2]
        return "\n".join(self.lines[first:last].to_pylist())

    def without(self, is_left_out: Mask) -> "_Sentences":
        """Leave out some lines, and sentences without a line."""
        lengths = np.add.reduceat(~is_left_out, self.offsets[:-1], dtype=np.int32)
        kept = np.flatnonzero(~is_left_out)
        offsets = np.append(0, np.cumsum(lengths[lengths > 0])).astype(np.int32)
        return _Sentences(self.lines.take(pa.array(kept)), self.numbers[kept], offsets)


def read_conll(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read sentences, numbered by their first line; their tags become BIO.

    A line with too few columns is a fault of its sentence, ``lengths_differ``;
    a span without its begin or end in BMES or BIOES is ``tag_scheme``.

    Args:
        streams: One.
        columns: Role to the number of a column, from 0, or from -1 backwards.
        options: ``separator``: one character, or ``whitespace`` for any
            amount of it; ``scheme`` of the tags; ``comments``: the beginning of
            a comment line; ``marks``: a token to skip, such as the mark of a
            document (comments of CoNLL-U and marks of documents are skipped
            too; empty: every line is a token); ``strip_prefix``: of every
            token; ``strip_suffix_digits``: whether to remove digits behind
            tokens; ``encoding``.
    """
    for first, lines in line_groups(streams[0], options["encoding"], is_blank, "sentence"):
        sentences = _sentences(lines, first, options["comments"])
        if len(sentences.lines):
            yield from _read_sentences(sentences, columns, options)


def _sentences(lines: pa.Array, first: int, comments: str) -> _Sentences:
    is_gap = is_blank(lines)
    is_token = ~is_gap & ~mask(pc.starts_with(lines, comments)) if comments else ~is_gap
    indices = np.flatnonzero(is_token)
    gaps = np.cumsum(is_gap)[indices]  # before each token
    starts = np.flatnonzero(np.diff(gaps, prepend=-1))
    return _Sentences(
        lines.take(pa.array(indices)),
        indices + first,
        np.append(starts, len(indices)).astype(np.int32),
    )


def _read_sentences(
    sentences: _Sentences, columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    values, is_short = _values(sentences.lines, columns, options["separator"])
    if options["marks"]:
        is_mark = _are_marks(sentences.lines, values["tokens"], options["marks"])
        if is_mark.any():
            yield from _noted(sentences, is_mark, columns)
            yield from _read_sentences(
                sentences.without(is_mark), columns, {**options, "marks": ""}
            )
            return
    if not len(sentences.lines):
        return
    tags = values["tags"]
    offsets = sentences.offsets
    faults = _short_lines(sentences, is_short, columns, options["separator"])
    for sentence, reason in find_broken(tags, offsets, options["scheme"]).items():
        faults.setdefault(sentence, Fault("tag_scheme", reason, sentences.raw(sentence)))
    values = {
        "tokens": _stripped(values["tokens"], options),
        "tags": to_bio(tags, offsets, options["scheme"]),
    }
    lists = {
        role: pa.ListArray.from_arrays(pa.array(offsets), column) for role, column in values.items()
    }
    yield as_table(lists, sentences.numbers[offsets[:-1]], faults)


def _values(lines: pa.Array, columns: Columns, separator: str) -> tuple[dict[str, pa.Array], Mask]:
    """Cut lines into columns; the mask marks lines that are too short."""
    if separator == WHITESPACE:
        fields = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(lines))
    else:
        fields = pc.split_pattern(lines, separator)
    first = fields.offsets.to_numpy()[:-1]
    width = pc.list_value_length(fields).to_numpy()
    at = {
        role: np.where(int(column) < 0, width, 0) + int(column) for role, column in columns.items()
    }
    is_short = np.logical_or.reduce([(index < 0) | (index >= width) for index in at.values()])
    is_short |= at["tokens"] == at["tags"]  # a column from the front and one from the back may meet
    found = {
        role: fields.values.take(pa.array(first + np.clip(index, 0, width - 1)))
        for role, index in at.items()
    }
    return found, is_short


def _are_marks(lines: pa.Array, tokens: pa.Array, text: str) -> Mask:
    """Mark the lines that are a publisher's marks, and no tokens."""
    return mask(pc.equal(tokens, text)) | mask(pc.match_substring_regex(lines, MARKS))


def _noted(sentences: _Sentences, is_mark: Mask, columns: Columns) -> Iterator[pa.Table]:
    """Note the marks among tokens; a mark that is alone is left out without a note."""
    lengths = np.diff(sentences.offsets)
    indices = np.flatnonzero(is_mark & np.repeat(lengths > 1, lengths)).tolist()
    notes = {
        int(sentences.numbers[i]): Fault("document_mark", "no token", sentences.lines[i].as_py())
        for i in indices
    }
    if notes:
        yield faults_table(columns, notes)


def _short_lines(
    sentences: _Sentences, is_short: Mask, columns: Columns, separator: str
) -> dict[int, Fault]:
    faults: dict[int, Fault] = {}
    ahead = max(
        int(column) + 1 if int(column) >= 0 else -int(column) for column in columns.values()
    )
    expected = max(ahead, 2)
    for index in np.flatnonzero(is_short).tolist():
        sentence = sentences.at(index)
        if sentence not in faults:
            reason = (
                f"line {sentences.numbers[index]} has too few columns, expected at least {expected}"
            )
            reason += _separator_hint(sentences.lines[index].as_py(), separator)
            faults[sentence] = Fault("lengths_differ", reason, sentences.raw(sentence))
    return faults


def _separator_hint(line: str, separator: str) -> str:
    """Suggest a separator that the line has, where it has too few columns."""
    if separator != "\t" and "\t" in line:
        return ": it has tabs, look at separator of its format (a tab, or whitespace)"
    if separator not in (" ", WHITESPACE) and " " in line.strip():
        return ": it has spaces, look at separator of its format (a space, or whitespace)"
    return ""


def _stripped(tokens: pa.Array, options: Mapping[str, Any]) -> pa.Array:
    prefix = options["strip_prefix"]
    if prefix:
        tokens = pc.if_else(
            pc.starts_with(tokens, prefix), pc.utf8_slice_codeunits(tokens, len(prefix)), tokens
        )
    if options["strip_suffix_digits"]:
        tokens = pc.replace_substring_regex(tokens, r"(?s)^(.+?)[0-9]+$", r"\1")
    return tokens.cast(TEXT)


FORMATS = {
    "conll": FormatKind(
        read_conll,
        {
            "separator": " ",
            "scheme": "BIO",
            "comments": "",
            "marks": "-DOCSTART-",
            "strip_prefix": "",
            "strip_suffix_digits": False,
            "encoding": "utf-8",
        },
        {"scheme": SCHEMES},
        columns="numbers",
        shapes=(("tokens", "tags"),),
    )
}
