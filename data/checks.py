"""What a row must satisfy, and why a row is refused."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.formats import BROKEN, TEXT

# What Python takes for a space; RE2's \s is ASCII only, and ``split_text`` cuts at all of them.
SPACE = r"[\s\pZ\x0b\x1c-\x1f\x{85}]"


def check(table: pa.Table, labels: Mapping[str, str], *, is_characters: bool = False) -> pa.Table:
    """Name the labels and write down the first fault of each row.

    Args:
        table: As a format yields it.
        labels: The publisher's labels to ours; empty if they are taken as they are.
        is_characters: Whether each token must be one character.

    Returns:
        The table with ``fault`` filled where a row must be refused, and ``raw``
        with what stood there, before labels got our names.
    """
    roles = [name for name in table.column_names if name not in ("row", "fault", "raw")]
    faults, raw = [table["fault"]], pc.coalesce(table["raw"], _raw(table, roles))
    for role in roles:
        faults.append(_fault_of_text(table[role], role))
    if "label" in roles and labels:
        place = pc.index_in(table["label"], pa.array(list(labels)))
        ours = pa.array(list(labels.values())).take(pc.fill_null(place, 0))
        faults.append(_where(pc.is_null(place), _unknown_label(table["label"], labels)))
        table = table.set_column(table.column_names.index("label"), "label", ours)
    if "tokens" in roles:
        faults.append(_fault_of_tokens(table["tokens"], is_characters=is_characters))
    if "tags" in roles:
        faults.append(_fault_of_tags(table["tags"]))
    fault = pc.coalesce(*faults)
    table = table.set_column(table.column_names.index("fault"), "fault", fault)
    return table.set_column(table.column_names.index("raw"), "raw", raw)


def _where(mask: pa.ChunkedArray, reason: pa.ChunkedArray | str) -> pa.ChunkedArray:
    return pc.if_else(mask, reason, pa.scalar(None, TEXT))


def _joined(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        return pc.binary_join(column, " ")
    return column


def _fault_of_text(column: pa.ChunkedArray, role: str) -> pa.ChunkedArray:
    text = pc.fill_null(_joined(column), "")
    broken = _where(pc.match_substring(text, BROKEN), f"{role}: not UTF-8")
    empty = _where(pc.equal(pc.utf8_trim_whitespace(text), ""), f"{role}: empty")
    return pc.coalesce(broken, empty)


def _unknown_label(label: pa.ChunkedArray, labels: Mapping[str, str]) -> pa.ChunkedArray:
    known = ", ".join(labels)
    return pc.binary_join_element_wise("label: must be one of ", known, ", got ", pc.fill_null(label, ""), "")


def _fault_of_tokens(column: pa.ChunkedArray, *, is_characters: bool) -> pa.ChunkedArray:
    """Find tokens that a raw text could not be cut into again."""
    rows = column.combine_chunks()
    flat = pc.fill_null(rows.values, "")
    odd = pc.or_(pc.equal(flat, ""), pc.match_substring_regex(flat, SPACE))
    say = "tokens: '{}' is empty or has a space"
    if is_characters:
        odd, say = pc.or_(odd, pc.not_equal(pc.utf8_length(flat), 1)), "tokens: '{}' is not one character"
    return _first_by_row(rows, [(odd.to_numpy(zero_copy_only=False), lambda i: say.format(flat[i]))])


def _first_by_row(rows: pa.ListArray, faults: list[tuple[np.ndarray, Callable[[int], str]]]) -> pa.ChunkedArray:
    """Name the first fault of each row: masks over the flat values, and what to say of a place."""
    reasons = np.full(len(rows), None, dtype=object)
    offsets = rows.offsets.to_numpy()
    for mask, say in faults:
        for place in np.flatnonzero(mask)[::-1]:
            reasons[int(np.searchsorted(offsets, place, side="right")) - 1] = say(int(place))
    return pa.chunked_array([pa.array(reasons, TEXT)])


def _fault_of_tags(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Find tags that are not BIO, and ``I-`` tags that continue nothing."""
    rows = column.combine_chunks()
    offsets = rows.offsets.to_numpy()
    flat = pc.fill_null(rows.values, "")
    tags = np.concatenate([["O"], flat.to_numpy(zero_copy_only=False).astype(str)])
    is_first = np.zeros(len(tags) - 1, dtype=bool)
    is_first[offsets[:-1][np.diff(offsets) > 0]] = True
    before = np.where(is_first, "O", tags[:-1])
    shape = pc.match_substring_regex(flat, r"^(O|[BI]-.+)$").to_numpy(zero_copy_only=False)
    prefix, kind, kind_before = tags[1:].astype("U1"), _kinds(tags[1:]), _kinds(before)
    is_loose = (prefix == "I") & ((before == "O") | (kind != kind_before))
    return _first_by_row(
        rows,
        [
            (is_loose, lambda i: f"tags: {tags[i + 1]} follows {before[i]}, expected a B- before"),
            (~shape, lambda i: f"tags: {tags[i + 1]} is not O, B-kind or I-kind"),
        ],
    )


def _kinds(tags: np.ndarray) -> np.ndarray:
    return np.char.partition(tags, "-")[:, 2]


def _raw(table: pa.Table, roles: list[str]) -> pa.ChunkedArray:
    parts = [pc.fill_null(_joined(table[role]), "") for role in roles]
    return pc.binary_join_element_wise(*parts, "\t")
