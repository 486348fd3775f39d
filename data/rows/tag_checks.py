"""Checks of tagged rows: tokens that text can be cut into again, and tags in BIO."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.rows.arrow_text import row_starts
from data.rows.check_settings import CheckSettings
from data.rows.faults import Faults, Mask

# All spaces of Python, at which ``split_text`` cuts; RE2's \s is ASCII only.
SPACE = r"[\s\pZ\x0b\x1c-\x1f\x{85}]"


def check_length(faults: Faults, length: pa.ChunkedArray, rules: CheckSettings, unit: str) -> None:
    """Find rows that are too short or too long, in characters or tokens."""
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


def check_tokens(faults: Faults, rows: pa.ListArray, *, is_characters: bool) -> None:
    """Find tokens into which no raw text could be cut."""
    flat = pc.fill_null(rows.flatten(), "")
    odd = pc.or_(pc.equal(flat, ""), pc.match_substring_regex(flat, SPACE))
    reason = "'{}' is empty or has a space"
    if is_characters:
        odd = pc.or_(odd, pc.not_equal(pc.utf8_length(flat), 1))
        reason = "'{}' is not one character"
    mask = odd.to_numpy(zero_copy_only=False)
    _add_by_token(faults, rows, mask, "bad_token", lambda i: reason.format(flat[i]))


def _add_by_token(
    faults: Faults, rows: pa.ListArray, mask: Mask, kind: str, reason: Callable[[int], str]
) -> None:
    """Reject rows by the first of their marked tokens."""
    positions = np.flatnonzero(mask)
    starts = row_starts(rows)
    row_of = np.searchsorted(starts, positions, side="right") - 1
    hit, first = np.unique(row_of, return_index=True)
    marked = np.zeros(len(rows), dtype=bool)
    marked[hit] = True
    first_of = dict(zip(hit.tolist(), positions[first].tolist(), strict=True))
    faults.add(
        marked, kind, lambda i: f"token {first_of[i] - starts[i] + 1}: {reason(first_of[i])}"
    )


def check_tags(
    faults: Faults, tokens: pa.ListArray, rows: pa.ListArray, rules: CheckSettings
) -> None:
    """Find a wrong number of tags, tags that are not BIO, loose ``I-`` tags, unknown kinds."""
    sizes = [np.diff(row_starts(side)) for side in (tokens, rows)]
    faults.add(
        sizes[0] != sizes[1],
        "lengths_differ",
        lambda i: f"{sizes[0][i]:,} tokens and {sizes[1][i]:,} tags",
    )
    check_length(faults, pa.chunked_array([pa.array(sizes[0])]), rules, "tokens")
    starts = row_starts(rows)
    flat = pc.fill_null(rows.flatten(), "")
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
    kind = _kinds(tags[1:])
    kind_before = _kinds(before)
    is_loose = (tags[1:].astype("U1") == "I") & ((before == "O") | (kind != kind_before))
    _add_by_token(
        faults,
        rows,
        is_loose,
        "tag_scheme",
        lambda i: f"{tags[i + 1]} follows {before[i]}, expected a B- before",
    )
    if rules.entities:
        is_unknown = (kind != "") & ~np.isin(kind, rules.entities)
        known = ", ".join(rules.entities)
        _add_by_token(
            faults,
            rows,
            is_unknown,
            "unknown_entity",
            lambda i: f"entity {kind[i]}, expected one of {known}",
        )


def _kinds(tags: NDArray[np.str_]) -> NDArray[np.str_]:
    if not len(tags):  # NumPy cannot partition an empty array; a block may have no valid row
        return tags
    return np.char.partition(tags, "-")[:, 2]
