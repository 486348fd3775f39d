"""Tags between BIO, which everything here speaks, and the other schemes that publishers write."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# BIO: B- begins a span, I- goes on. IOB1: I- does both, B- only where two spans of a kind touch.
# BMES and BIOES: the last token is E-, a span of one token S-; inside it is M- or I-.
SCHEME_ROWS = 20_000  # rows by which schemes of tags are told apart
SCHEMES = ("BIO", "IOB1", "BMES", "BIOES")
INSIDE = {"BMES": "M", "BIOES": "I"}
Offsets = NDArray[np.int32]


class _Letters:
    """Tags of many sentences end to end, by letter and kind, each beside the tag before it.

    A tag that is none of the scheme's counts as O.
    """

    def __init__(self, tags: pa.Array, offsets: Offsets, letters: str) -> None:
        names = tags.dictionary_encode()
        names, index = names.dictionary.to_pylist(), names.indices.fill_null(-1).to_numpy()
        names = [
            name if name[1:2] == "-" and len(name) > 2 and name[0] in letters else "O"
            for name in names
        ] + ["O"]
        kinds: dict[str, int] = {}
        self.letter = np.array([name[0] for name in names])[index]
        self.kind = np.array([kinds.setdefault(name[2:], len(kinds)) for name in names])[index]
        self.is_first = np.zeros(len(index), dtype=bool)
        self.is_first[offsets[:-1][np.diff(offsets) > 0]] = True
        self.letter_before = np.where(self.is_first, "O", np.roll(self.letter, 1))
        self.is_kind_before = ~self.is_first & (self.kind == np.roll(self.kind, 1))


def to_bio(tags: pa.Array, offsets: Offsets, scheme: str) -> pa.Array:
    """Write tags of a scheme as BIO.

    What is broken stays so: where nothing is begun, an end becomes I-, which
    in BIO continues nothing either. A tag that is none of the scheme's stays
    as it is. IOB1 cannot be broken.

    Args:
        tags: Of all sentences, end to end, (N,).
        offsets: Where each sentence begins, and N.
        scheme: One of ``SCHEMES``.
    """
    if scheme == "BIO" or not len(tags):
        return tags
    if scheme == "IOB1":
        at = _Letters(tags, offsets, "BI")
        is_begin = (at.letter == "I") & ~((at.letter_before != "O") & at.is_kind_before)
        begun = pc.replace_substring_regex(tags, "^I-", "B-")
        return pc.if_else(pa.array(is_begin), begun, tags)
    names = tags.dictionary_encode()  # few names and many tags
    bio = pc.replace_substring_regex(names.dictionary, "^S-", "B-")
    bio = pc.replace_substring_regex(bio, f"^[{INSIDE[scheme]}E]-", "I-")
    return bio.take(names.indices)


def find_broken(tags: pa.Array, offsets: Offsets, scheme: str) -> dict[int, str]:
    """Find sentences whose spans do not end or begin as BMES and BIOES say, and would be whole as BIO.

    Returns:
        Sentence to a reason, which names its first such tag; nothing for BIO
        and IOB1.
    """
    if scheme not in INSIDE or not len(tags):
        return {}
    inside = INSIDE[scheme]
    at = _Letters(tags, offsets, f"B{inside}ES")
    goes_on = np.isin(at.letter, [inside, "E"])
    is_open_before = np.isin(at.letter_before, ["B", inside])
    is_joined = goes_on & is_open_before & at.is_kind_before
    is_loose = goes_on & ~is_joined
    is_cut = np.roll(is_open_before & ~is_joined, -1)  # the next tag should have gone on
    is_last = np.roll(at.is_first, -1)
    is_cut = np.where(is_last, np.isin(at.letter, ["B", inside]), is_cut)
    found: dict[int, str] = {}
    for place in np.flatnonzero(is_loose | is_cut).tolist():
        sentence = int(np.searchsorted(offsets, place, side="right")) - 1
        tag, number = tags[place].as_py(), place - int(offsets[sentence]) + 1
        why = (
            f"needs B-{tag[2:]} or {inside}-{tag[2:]} before it"
            if is_loose[place]
            else f"is not ended by E-{tag[2:]}"
        )
        found.setdefault(sentence, f"token {number}: {tag} {why}")
    return found


def from_bio(tags: Sequence[str], scheme: str) -> list[str]:
    """Write the BIO tags of one sentence in another scheme, as for an export.

    An I- that continues nothing stays broken in BMES and BIOES; in IOB1,
    where it begins a span, it cannot.
    """
    if scheme == "BIO":
        return list(tags)
    before, after = ["O", *tags][:-1], [*tags, "O"][1:]
    if scheme == "IOB1":
        return [_iob1(tag, left) for tag, left in zip(tags, before, strict=True)]
    return [_ended(tag, right, INSIDE[scheme]) for tag, right in zip(tags, after, strict=True)]


def _iob1(tag: str, before: str) -> str:
    touches = before != "O" and before[2:] == tag[2:]
    return f"I-{tag[2:]}" if tag.startswith("B-") and not touches else tag


def _ended(tag: str, after: str, inside: str) -> str:
    letter, kind = tag[:1], tag[2:]
    if tag == "O":
        return tag
    if after == f"I-{kind}":
        return f"{'B' if letter == 'B' else inside}-{kind}"
    return f"{'S' if letter == 'B' else 'E'}-{kind}"
