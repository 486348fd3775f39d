"""Tags of other schemes converted to BIO, which all other code uses."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# BIO: B- begins a span, I- continues it. IOB1: I- does both, B- only where two spans of a kind
# touch.
# BMES and BIOES: the last token is E-, a span of one token S-; inside it is M- or I-.
SCHEME_ROWS = 20_000  # rows by which schemes of tags are compared
SCHEMES = ("BIO", "IOB1", "BMES", "BIOES")
INSIDE = {"BMES": "M", "BIOES": "I"}
Offsets = NDArray[np.int32]


class _Letters:
    """Tags of many sentences end to end, by letter and kind, with the tag before each.

    A tag that the scheme does not have counts as O.
    """

    def __init__(self, tags: pa.Array, offsets: Offsets, letters: str) -> None:
        encoded = tags.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        index = encoded.indices.fill_null(-1).to_numpy()
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

    Broken tags stay broken: an end without a begin becomes I-, which in BIO
    continues nothing either. A tag that the scheme does not have stays
    unchanged. IOB1 cannot be broken.

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
    """Find sentences whose spans lack a begin or an end of BMES and BIOES.

    Returns:
        Sentence to a reason, which names its first such tag; nothing for BIO
        and IOB1.
    """
    if scheme not in INSIDE or not len(tags):
        return {}
    inside = INSIDE[scheme]
    at = _Letters(tags, offsets, f"B{inside}ES")
    continues = np.isin(at.letter, [inside, "E"])
    is_open_before = np.isin(at.letter_before, ["B", inside])
    is_joined = continues & is_open_before & at.is_kind_before
    is_loose = continues & ~is_joined
    is_cut = np.roll(is_open_before & ~is_joined, -1)  # the next tag should continue the span
    is_last = np.roll(at.is_first, -1)
    is_cut = np.where(is_last, np.isin(at.letter, ["B", inside]), is_cut)
    found: dict[int, str] = {}
    for index in np.flatnonzero(is_loose | is_cut).tolist():
        sentence = int(np.searchsorted(offsets, index, side="right")) - 1
        tag = tags[index].as_py()
        number = index - int(offsets[sentence]) + 1
        why = (
            f"needs B-{tag[2:]} or {inside}-{tag[2:]} before it"
            if is_loose[index]
            else f"is not ended by E-{tag[2:]}"
        )
        found.setdefault(sentence, f"token {number}: {tag} {why}")
    return found
