"""Names of labels and tags without spaces and invisible characters at their edges."""

import pyarrow as pa
import pyarrow.compute as pc

from data.rows.arrow_text import flat_bytes, is_ascii, row_starts
from data.text.invisible_characters import trimmed


def with_trimmed_names(table: pa.Table) -> pa.Table:
    """Trim labels and tags: spaces and invisible characters at an edge make no other class."""
    for index, name in enumerate(table.column_names):
        if name == "label":
            table = table.set_column(index, name, _trimmed(table[name]))
        elif name == "tags":
            tags = pa.chunked_array([_trimmed_tags(table[name].combine_chunks())])
            table = table.set_column(index, name, tags)
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
    # `B- PER` has a space behind its prefix.
    prefixes = pc.utf8_slice_codeunits(clean, 0, 2)
    kinds = pc.utf8_ltrim_whitespace(pc.utf8_slice_codeunits(clean, 2))
    joined = pc.binary_join_element_wise(prefixes, kinds, "")
    clean = pc.if_else(pc.match_substring_regex(clean, r"^[BI]-\s"), joined, clean)
    offsets = pa.array(row_starts(rows), pa.int32())
    is_null = rows.is_null() if rows.null_count else None
    return pa.ListArray.from_arrays(offsets, clean.combine_chunks(), mask=is_null)
