"""What a row must satisfy, and why a row is refused."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.formats.base import TEXT
from data.formats.encoding import BROKEN, shown_column
from data.rows.arrow_text import flat_bytes, has_controls, is_ascii, num_characters
from data.rows.check_settings import CheckSettings
from data.rows.finite_numbers import read_numbers
from data.rows.missing_values import listed
from data.text.invisible_characters import BLANK, trimmed, without_invisible
from data.text.numbers import NUMBERS

# What Python takes for a space; RE2's \s is ASCII only, and ``split_text`` cuts at all of them.
SPACE = r"[\s\pZ\x0b\x1c-\x1f\x{85}]"
CONTROL = r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x{9f}\x{fffe}\x{ffff}]"
IS_CONTROL = np.isin(np.arange(256), [*range(9), 11, *range(14, 32), 127])
# First bytes of what else is no text: of U+0080 to U+00BF, of U+F000 to U+FFFF, of U+100000 and more, as ``BROKEN`` is.
C1, LAST_OF_BMP, LAST_PLANE = 0xC2, 0xEF, 0xF4
SHORT = 20  # characters; the ratio of shorter pairs says nothing
Mask = NDArray[np.bool_]
Say = Callable[[int], str] | str


class Faults:
    """The first fault of each row of a table: its kind and what is wrong."""

    def __init__(self, table: pa.Table) -> None:
        """Begin with what the format found."""
        self.is_fine: Mask = pc.is_null(table["kind"]).to_numpy()
        self.said: dict[int, tuple[str, str]] = {}

    def add(self, mask: Mask, kind: str, say: Say) -> None:
        """Refuse the rows of a mask that had no fault so far."""
        for i in np.flatnonzero(mask & self.is_fine).tolist():
            self.said[i] = kind, say if isinstance(say, str) else say(i)
        self.is_fine &= ~mask


def check(
    table: pa.Table,
    rules: CheckSettings,
    labels: Mapping[str, str],
    *,
    roles: tuple[str, ...],
    is_characters: bool = False,
) -> pa.Table:
    """Write down the first fault of each row.

    Args:
        table: As a format yields it.
        rules: Of the dataset.
        labels: The publisher's labels to ours; empty if they are taken as they are.
        roles: Sides of a row, source before target.
        is_characters: Whether each token must be one character.

    Returns:
        The table with ``kind`` and ``reason`` filled where a row must be
        refused, and with what stood there as its ``raw``.
    """
    original, table = table, with_trimmed_names(table)
    faults = Faults(table)
    for role in roles:
        _check_text(faults, table[role], role, rules, roles)
    for role in roles if rules.missing else ():
        _check_missing(faults, table[role], role, rules.missing)
    for role in (role for role in roles if role in NUMBERS):
        table = _check_numbers(faults, table, role)
    if "label" in roles:
        _check_label(faults, table["label"], labels)
    if "tokens" in roles:
        _check_tokens(faults, table["tokens"].combine_chunks(), is_characters=is_characters)
        _check_tags(faults, table["tokens"].combine_chunks(), table["tags"].combine_chunks(), rules)
    if roles[0] != "tokens":
        _check_length(faults, num_characters(table[roles[0]]), rules, "characters")
    if "source" in roles:
        _check_pair(faults, table, rules)
    return _with_faults(table, original, faults, roles)


def with_trimmed_names(table: pa.Table) -> pa.Table:
    """Take spaces and invisible characters from the edges of labels and tags: nobody means another class by them."""
    for place, name in enumerate(table.column_names):
        if name == "label":
            table = table.set_column(place, name, _trimmed(table[name]))
        elif name == "tags":
            table = table.set_column(
                place, name, pa.chunked_array([_trimmed_tags(table[name].combine_chunks())])
            )
    return table


def _trimmed(names: pa.ChunkedArray) -> pa.ChunkedArray:
    flat = flat_bytes(names)
    is_plain = is_ascii(flat) and (not len(flat) or int(flat.min()) > ord(" "))
    return names if is_plain else trimmed(names, is_ascii=is_ascii(flat))


def _trimmed_tags(rows: pa.ListArray) -> pa.ListArray:
    flat = pa.chunked_array([rows.flatten()])
    clean = _trimmed(flat)
    if clean is flat:
        return rows
    kinds = pc.utf8_ltrim_whitespace(pc.utf8_slice_codeunits(clean, 2))  # `B- PER`
    clean = pc.if_else(
        pc.match_substring_regex(clean, r"^[BI]-\s"),
        pc.binary_join_element_wise(_head(clean), kinds, ""),
        clean,
    )
    offsets = pa.array(_starts(rows), pa.int32())
    return pa.ListArray.from_arrays(
        offsets, clean.combine_chunks(), mask=rows.is_null() if rows.null_count else None
    )


def _head(tags: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_slice_codeunits(tags, 0, 2)


def _with_faults(
    table: pa.Table, original: pa.Table, faults: Faults, roles: tuple[str, ...]
) -> pa.Table:
    if faults.is_fine.all():
        return table
    refused = original.filter(pa.array(~faults.is_fine))
    raw = np.full(table.num_rows, None, dtype=object)
    raw[~faults.is_fine] = shown_column(
        pc.coalesce(refused["raw"], raw_of(refused, roles))
    ).to_numpy()
    kind, reason = [table[name].to_numpy().astype(object, copy=True) for name in ("kind", "reason")]
    for i, said in faults.said.items():
        kind[i], reason[i] = said
    for name, values in {"kind": kind, "reason": reason, "raw": raw}.items():
        table = table.set_column(
            table.column_names.index(name), name, pa.chunked_array([pa.array(values, TEXT)])
        )
    return table


def raw_of(table: pa.Table, roles: tuple[str, ...]) -> pa.ChunkedArray:
    """What stood in some rows: their sides with a tab between."""
    return pc.binary_join_element_wise(
        *(pc.fill_null(_joined(table[role]), "") for role in roles), "\t"
    )


def _joined(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return (
        pc.binary_join(pc.fill_null(column, []), " ") if pa.types.is_list(column.type) else column
    )


def _mask(found: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(found, False).to_numpy())


def _check_text(
    faults: Faults, column: pa.ChunkedArray, role: str, rules: CheckSettings, roles: tuple[str, ...]
) -> None:
    """Look for what no text is: broken bytes, nothing, control characters."""
    text = pc.fill_null(_joined(column), "")
    flat = flat_bytes(text)
    if not is_ascii(flat) and (flat == LAST_PLANE).any():
        faults.add(
            _mask(pc.match_substring(text, BROKEN)),
            "not_utf8",
            f"{role}: bytes that are no text in the file's encoding",
        )
    is_empty = _mask(
        pc.equal(pc.utf8_trim_whitespace(text), "")
        if is_ascii(flat)
        else pc.match_substring_regex(text, BLANK)
    )
    kind = "one_side" if "source" in roles else "no_text"
    faults.add(is_empty, kind, f"{role}: empty")
    if rules.control_characters == "refuse" and _may_have_controls(flat):
        mask = _mask(pc.match_substring_regex(text, CONTROL))
        faults.add(mask, "control_characters", lambda i: f"{role}: {_control_of(text[i].as_py())}")


def _may_have_controls(flat: NDArray[np.uint8]) -> bool:
    """Tell texts that have no control characters from those to be searched, by their bytes."""
    if has_controls(flat) and IS_CONTROL[flat].any():
        return True
    if is_ascii(flat):
        return False
    second, third = flat[1:], flat[2:]
    is_c1 = (flat[:-1] == C1) & (second < 0xA0)  # U+0080 to U+009F
    is_last = (
        (flat[:-2] == LAST_OF_BMP) & (second[:-1] == 0xBF) & (third >= 0xBE)
    )  # U+FFFE and U+FFFF
    return bool(is_c1.any() or is_last.any())


def _control_of(text: str) -> str:
    found = next(
        c
        for c in text
        if (ord(c) < 160 and not c.isprintable() and c not in "\t\n\r\x0c") or c in "\ufffe\uffff"
    )
    return f"has the control character U+{ord(found):04X}"


def _check_missing(
    faults: Faults, column: pa.ChunkedArray, role: str, words: tuple[str, ...]
) -> None:
    if not pa.types.is_list(column.type):  # of tokens, `-` and the like are what they are
        faults.add(
            _mask(listed(column, words)),
            "missing",
            lambda i: f"{role}: {column[i].as_py()!r} stands for a missing value",
        )


def _check_label(faults: Faults, column: pa.ChunkedArray, labels: Mapping[str, str]) -> None:
    if labels:
        known, place = ", ".join(labels), pc.index_in(column, pa.array(list(labels), TEXT))
        faults.add(
            _mask(pc.is_null(place)),
            "unknown_label",
            lambda i: f"label: expected one of {known}, got {column[i].as_py()!r}",
        )


def _check_numbers(faults: Faults, table: pa.Table, role: str) -> pa.Table:
    """Look for texts that are no finite numbers, and write the numbers in one way."""
    numbers, is_wrong = read_numbers(table[role])
    faults.add(
        is_wrong,
        "bad_number",
        lambda i: f"{role}: expected a finite number, got {table[role][i].as_py()!r}",
    )
    return table.set_column(table.column_names.index(role), role, numbers)


def _check_length(faults: Faults, length: pa.ChunkedArray, rules: CheckSettings, unit: str) -> None:
    found = pc.fill_null(length, 0).to_numpy()
    faults.add(
        found < rules.min_length,
        "too_short",
        lambda i: f"{found[i]:,} {unit}, expected at least {rules.min_length:,}",
    )
    faults.add(
        found > rules.max_length,
        "too_long",
        lambda i: f"{found[i]:,} {unit}, expected at most {rules.max_length:,}",
    )


def _check_pair(faults: Faults, table: pa.Table, rules: CheckSettings) -> None:
    source, target = (pc.fill_null(table[side], "") for side in ("source", "target"))
    sizes = np.stack([num_characters(side).to_numpy() for side in (source, target)])
    long, short = sizes.max(0), sizes.min(0)
    ratio = long / np.maximum(short, 1)
    faults.add(
        (ratio > rules.max_ratio) & (long > SHORT),
        "length_ratio",
        lambda i: (
            f"{sizes[0, i]:,} characters against {sizes[1, i]:,}, expected at most {rules.max_ratio:g} times as many"
        ),
    )
    most = f"expected at most {rules.max_length:,}"
    faults.add(
        sizes[1] > rules.max_length,
        "too_long",
        lambda i: f"target: {sizes[1, i]:,} characters, {most}",
    )
    if rules.copies == "refuse":
        is_same = _mask(
            pc.equal(
                *(
                    side if is_ascii(flat_bytes(side)) else without_invisible(side)
                    for side in (source, target)
                )
            )
        )
        faults.add(is_same, "source_equals_target", "both sides say the same")


def _check_tokens(faults: Faults, rows: pa.ListArray, *, is_characters: bool) -> None:
    """Find tokens that a raw text could not be cut into again."""
    flat = pc.fill_null(rows.flatten(), "")
    odd = pc.or_(pc.equal(flat, ""), pc.match_substring_regex(flat, SPACE))
    say = "'{}' is empty or has a space"
    if is_characters:
        odd, say = pc.or_(odd, pc.not_equal(pc.utf8_length(flat), 1)), "'{}' is not one character"
    _add_by_token(
        faults, rows, odd.to_numpy(zero_copy_only=False), "bad_token", lambda i: say.format(flat[i])
    )


def _starts(rows: pa.ListArray) -> NDArray[np.int64]:
    """Where each row starts in the flattened values, and where the last ends."""
    return np.cumsum(np.append(0, pc.fill_null(pc.list_value_length(rows), 0).to_numpy()))


def _add_by_token(
    faults: Faults, rows: pa.ListArray, mask: Mask, kind: str, say: Callable[[int], str]
) -> None:
    """Refuse rows by the first of their marked tokens."""
    places, starts = np.flatnonzero(mask), _starts(rows)
    row_of = np.searchsorted(starts, places, side="right") - 1
    hit, first = np.unique(row_of, return_index=True)
    marked = np.zeros(len(rows), dtype=bool)
    marked[hit] = True
    place_of = dict(zip(hit.tolist(), places[first].tolist(), strict=True))
    faults.add(marked, kind, lambda i: f"token {place_of[i] - starts[i] + 1}: {say(place_of[i])}")


def _check_tags(
    faults: Faults, tokens: pa.ListArray, rows: pa.ListArray, rules: CheckSettings
) -> None:
    """Find tags that are too few or many, not BIO, ``I-`` tags that continue nothing, kinds that are not known."""
    sizes = [np.diff(_starts(side)) for side in (tokens, rows)]
    faults.add(
        sizes[0] != sizes[1],
        "lengths_differ",
        lambda i: f"{sizes[0][i]:,} tokens and {sizes[1][i]:,} tags",
    )
    _check_length(faults, pa.chunked_array([pa.array(sizes[0])]), rules, "tokens")
    starts, flat = _starts(rows), pc.fill_null(rows.flatten(), "")
    tags = np.concatenate([["O"], flat.to_numpy(zero_copy_only=False).astype(str)])
    is_first = np.zeros(len(tags) - 1, dtype=bool)
    is_first[starts[:-1][np.diff(starts) > 0]] = True
    before = np.where(is_first, "O", tags[:-1])
    is_odd = ~pc.match_substring_regex(flat, r"^(O|[BI]-.+)$").to_numpy(zero_copy_only=False)
    _add_by_token(
        faults,
        rows,
        is_odd,
        "tag_scheme",
        lambda i: f"{str(tags[i + 1])!r} is not O, B-kind or I-kind",
    )
    kind, kind_before = _kinds(tags[1:]), _kinds(before)
    is_loose = (tags[1:].astype("U1") == "I") & ((before == "O") | (kind != kind_before))
    _add_by_token(
        faults,
        rows,
        is_loose,
        "tag_scheme",
        lambda i: f"{tags[i + 1]} follows {before[i]}, expected a B- before",
    )
    if rules.entities:
        is_unknown, known = (kind != "") & ~np.isin(kind, rules.entities), ", ".join(rules.entities)
        _add_by_token(
            faults,
            rows,
            is_unknown,
            "unknown_entity",
            lambda i: f"entity {kind[i]}, expected one of {known}",
        )


def _kinds(tags: NDArray[np.str_]) -> NDArray[np.str_]:
    if not len(
        tags
    ):  # NumPy has no partition of nothing; a block in which no row is whole has no tags
        return tags
    return np.char.partition(tags, "-")[:, 2]
