"""Cuts learned from training tokens: which signs they have apart from words."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.text.punctuation import (
    ADDRESS,
    APOSTROPHES,
    BEGINNINGS,
    ENDINGS,
    INITIALS,
    is_sign,
    plainly,
)

HAS_SIGN = r"[\p{P}\p{S}]"  # a pattern of RE2, as Arrow has it
FEW = 0.1  # a sign is cut out of words if it is attached less often than this share of apart


def _counted(columns: Iterable[pa.ChunkedArray]) -> Counter[str]:
    """Count each training token that has a sign."""
    counts: Counter[str] = Counter()
    for column in columns:
        for chunk in column.chunks:
            flat = pc.list_flatten(chunk)
            with_sign = flat.filter(pc.match_substring_regex(flat, HAS_SIGN))
            for item in pc.value_counts(with_sign).to_pylist():
                counts[item["values"]] += item["counts"]
    return counts


def learn_cuts(columns: Iterable[pa.ChunkedArray]) -> dict[str, Any]:
    """Learn the fields of ``Cuts`` from columns of lists of training tokens."""
    counts = _counted(columns)
    apart = Counter[str]()
    lead = Counter[str]()
    trail = Counter[str]()
    inner = Counter[str]()
    endings = Counter[str]()
    beginnings = Counter[str]()
    for token, count in counts.items():
        if ENDINGS.match(token):
            endings[plainly(token)] += count
        elif BEGINNINGS.match(token):
            beginnings[plainly(token)] += count
        elif all(map(is_sign, token)):
            apart.update(dict.fromkeys(set(token), count))
        else:
            _count_word(token, count, lead, trail, inner)
    seen = {*apart, *lead, *trail}
    leading = {sign for sign in apart if apart[sign] > lead[sign]}
    trailing = {sign for sign in apart if apart[sign] > trail[sign]}
    inside = {sign for sign in apart if sign not in APOSTROPHES and inner[sign] < FEW * apart[sign]}
    is_apart = apart.total() >= lead.total() + trail.total()
    return {
        "leading": _joined(leading),
        "trailing": _joined(trailing),
        "inner": _joined(inside),
        "kept": _joined(seen),
        "others": is_apart,
        "endings": _apart(endings, counts, str.endswith),
        "beginnings": _apart(beginnings, counts, str.startswith),
    }


def _count_word(
    token: str, count: int, lead: Counter[str], trail: Counter[str], inner: Counter[str]
) -> None:
    """Count the signs at the edges and inside of a word.

    Signs within numbers, initials and addresses do not count as inner ones.
    """
    if is_sign(token[0]):
        lead[token[0]] += count
    if is_sign(token[-1]):
        trail[token[-1]] += count
    if ADDRESS.match(token) or INITIALS.match(token):
        return
    signs = {
        token[i]
        for i in range(1, len(token) - 1)
        if is_sign(token[i]) and not (token[i - 1].isdigit() and token[i + 1].isdigit())
    }
    inner.update(dict.fromkeys(signs, count))


def _joined(signs: Collection[str]) -> str:
    return "".join(sorted(signs))


def _apart(found: Counter[str], counts: Counter[str], has: Any) -> tuple[str, ...]:
    """Find endings or beginnings that are apart more often than attached, the longest first."""
    whole = {
        part: sum(
            count
            for token, count in counts.items()
            if len(token) > len(part) and has(plainly(token), part)
        )
        for part in found
    }
    parts = [part for part in found if found[part] > whole[part]]
    return tuple(sorted(parts, key=lambda part: (-len(part), part)))
