"""Writes BIO tags in the other schemes, for files of the tests."""

from collections.abc import Sequence

from data.formats.tags import INSIDE


def from_bio(tags: Sequence[str], scheme: str) -> list[str]:
    """Write the BIO tags of one sentence in another scheme.

    An I- that continues nothing stays broken in BMES and BIOES; in IOB1,
    where it begins a span, it cannot.
    """
    if scheme == "BIO":
        return list(tags)
    before = ["O", *tags][:-1]
    after = [*tags, "O"][1:]
    if scheme == "IOB1":
        return [_iob1(tag, left) for tag, left in zip(tags, before, strict=True)]
    return [_ended(tag, right, INSIDE[scheme]) for tag, right in zip(tags, after, strict=True)]


def _iob1(tag: str, before: str) -> str:
    touches = before != "O" and before[2:] == tag[2:]
    return f"I-{tag[2:]}" if tag.startswith("B-") and not touches else tag


def _ended(tag: str, after: str, inside: str) -> str:
    letter = tag[:1]
    kind = tag[2:]
    if tag == "O":
        return tag
    if after == f"I-{kind}":
        return f"{'B' if letter == 'B' else inside}-{kind}"
    return f"{'S' if letter == 'B' else 'E'}-{kind}"
