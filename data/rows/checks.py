"""Checks of rows, each by itself: why a row is rejected."""

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.formats.base import TEXT
from data.formats.encoding import BROKEN, shown_column
from data.rows.arrow_text import flat_bytes, has_controls, is_ascii, num_characters
from data.rows.check_settings import CheckSettings
from data.rows.faults import Faults, Mask
from data.rows.finite_numbers import read_numbers
from data.rows.missing_values import listed
from data.rows.name_trimming import with_trimmed_names
from data.rows.tag_checks import check_length, check_tags, check_tokens
from data.text.invisible_characters import BLANK, without_invisible
from data.text.numbers import NUMBERS

# Control characters, and characters that Unicode keeps for the use of programs; ours mark rows
# with some of them.
CONTROL = "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]"
IS_CONTROL = np.isin(np.arange(256), [*range(9), 11, *range(14, 32), 127])
# First bytes, in UTF-8, of other characters that are no text.
C1 = 0xC2  # U+0080 to U+00BF
LAST_OF_BMP = 0xEF  # U+F000 to U+FFFF
LAST_PLANE = 0xF4  # U+100000 and more, ``BROKEN`` among them
SHORT = 20  # characters; the length ratio of shorter pairs varies by chance


def check(
    table: pa.Table,
    rules: CheckSettings,
    labels: Mapping[str, str],
    *,
    roles: tuple[str, ...],
    is_characters: bool = False,
) -> pa.Table:
    """Find the first fault of each row.

    Args:
        table: As a format yields it.
        rules: Of the dataset.
        labels: The publisher's labels to ours; empty takes them unchanged.
        roles: Sides of a row, source before target.
        is_characters: Whether each token must be one character.

    Returns:
        The table with ``kind``, ``reason`` and the original content as ``raw``
        of each rejected row.
    """
    original = table
    table = with_trimmed_names(table)
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
        tokens = table["tokens"].combine_chunks()
        check_tokens(faults, tokens, is_characters=is_characters)
        check_tags(faults, tokens, table["tags"].combine_chunks(), rules)
    if roles[0] != "tokens":
        check_length(faults, num_characters(table[roles[0]]), rules, "characters")
    if "source" in roles:
        _check_pair(faults, table, rules)
    return _with_faults(table, original, faults, roles)


def _with_faults(
    table: pa.Table, original: pa.Table, faults: Faults, roles: tuple[str, ...]
) -> pa.Table:
    if faults.is_fine.all():
        return table
    rejected = original.filter(pa.array(~faults.is_fine))
    columns = {
        name: table[name].to_numpy().astype(object, copy=True) for name in ("kind", "reason")
    }
    for i, (kind, reason) in faults.found.items():
        columns["kind"][i] = kind
        columns["reason"][i] = reason
    columns["raw"] = np.full(table.num_rows, None, dtype=object)
    raw = pc.coalesce(rejected["raw"], raw_of(rejected, roles))
    columns["raw"][~faults.is_fine] = shown_column(raw).to_numpy()
    for name, values in columns.items():
        column = pa.chunked_array([pa.array(values, TEXT)])
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def raw_of(table: pa.Table, roles: tuple[str, ...]) -> pa.ChunkedArray:
    """Join the sides of rows by a tab, as reports show rejected rows."""
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
    """Find invalid bytes, empty texts and control characters."""
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
    """Whether texts can have control characters, by their bytes: a fast test before the search."""
    if has_controls(flat) and IS_CONTROL[flat].any():
        return True
    if is_ascii(flat):
        return False
    second = flat[1:]
    third = flat[2:]
    is_c1 = (flat[:-1] == C1) & (second < 0xA0)  # U+0080 to U+009F
    # U+FFFE and U+FFFF, and U+FDD0 to U+FDEF
    is_last = (second[:-1] == 0xBF) & (third >= 0xBE)
    is_kept = (second[:-1] == 0xB7) & (third >= 0x90) & (third < 0xB0)
    return bool(is_c1.any() or ((flat[:-2] == LAST_OF_BMP) & (is_last | is_kept)).any())


def _control_of(text: str) -> str:
    found = re.search(CONTROL, text)
    assert found, "Arrow found it"
    return f"has the control character U+{ord(found[0]):04X}"


def _check_missing(
    faults: Faults, column: pa.ChunkedArray, role: str, words: tuple[str, ...]
) -> None:
    if not pa.types.is_list(column.type):  # a token `-` is no missing value
        faults.add(
            _mask(listed(column, words)),
            "missing",
            lambda i: f"{role}: {column[i].as_py()!r} stands for a missing value",
        )


def _check_label(faults: Faults, column: pa.ChunkedArray, labels: Mapping[str, str]) -> None:
    if labels:
        known = ", ".join(labels)
        index = pc.index_in(column, pa.array(list(labels), TEXT))
        faults.add(
            _mask(pc.is_null(index)),
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


def _check_pair(faults: Faults, table: pa.Table, rules: CheckSettings) -> None:
    source, target = (pc.fill_null(table[side], "") for side in ("source", "target"))
    sizes = np.stack([num_characters(side).to_numpy() for side in (source, target)])
    long = sizes.max(0)
    ratio = long / np.maximum(sizes.min(0), 1)
    faults.add(
        (ratio > rules.max_ratio) & (long > SHORT),
        "length_ratio",
        lambda i: (
            f"{sizes[0, i]:,} characters against {sizes[1, i]:,}, "
            f"expected at most {rules.max_ratio:g} times as many"
        ),
    )
    most = f"expected at most {rules.max_length:,}"
    faults.add(
        sizes[1] > rules.max_length,
        "too_long",
        lambda i: f"target: {sizes[1, i]:,} characters, {most}",
    )
    if rules.copies == "refuse":
        visible = [
            side if is_ascii(flat_bytes(side)) else without_invisible(side)
            for side in (source, target)
        ]
        faults.add(_mask(pc.equal(*visible)), "source_equals_target", "both sides say the same")
