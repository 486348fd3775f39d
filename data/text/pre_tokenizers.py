"""How raw text is cut into words: as the training tokens are, where punctuation may stand apart.

A word here is a token with a letter or a digit. What stands at its edges
(``Ursa,``), inside it (``and/or``) and after an apostrophe (``John's``) is cut
off where the training tokens have it apart more often than attached.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Span = tuple[int, int]
HAS_SIGN = r"[\p{P}\p{S}]"  # as pyarrow's RE2 reads it
APOSTROPHES = "'\u2019\u02bc"
ENDINGS = re.compile(
    rf"(?:[{APOSTROPHES}][^\W\d_]{{1,3}}|n[{APOSTROPHES}]t)\Z", re.IGNORECASE
)  # 's, 'll, n't
BEGINNINGS = re.compile(rf"[^\W\d_]{{1,4}}[{APOSTROPHES}]\Z", re.IGNORECASE)  # l', qu'
INITIALS = re.compile(r"(?:[^\W\d_]\.){2,}\Z")  # U.S.
ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S|\S+@\S+\.\S", re.IGNORECASE)
CLOSING = ",.;:!?%\u3001\u3002\uff0c\uff01\uff1f\uff1b\uff1a\u2026"
LONGEST, LONGEST_RUN = (
    2000,
    8,
)  # characters of a word that may be known or an address; signs of one token
FEW = 0.1  # a sign inside words is cut there if it is attached in less than this share of what it is apart


def plainly(word: str) -> str:
    """A word in small letters, with the apostrophe of a typewriter."""
    return re.sub(f"[{APOSTROPHES}]", "'", word.lower())


@cache
def is_sign(character: str) -> bool:
    """Whether a character is punctuation or a symbol."""
    return unicodedata.category(character)[0] in "PS"


@dataclass(frozen=True)
class Cuts:
    """Which signs stand apart in training tokens.

    Attributes:
        leading: Signs that are cut off the beginning of a word.
        trailing: Signs that are cut off its end.
        inner: Signs that are cut out of its middle, but for numbers and addresses.
        kept: Signs that stay at both edges. One in neither was never seen, and
            goes as most signs do, by ``others``.
        others: Whether signs that training never saw are cut off.
        endings: Endings with an apostrophe that stand apart, such as ``'s``.
        beginnings: Beginnings with one, such as ``l'``.
    """

    leading: str = ""
    trailing: str = ""
    inner: str = ""
    kept: str = ""
    others: bool = False
    endings: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, columns: Iterable[pa.ChunkedArray]) -> "Cuts":
        """Learn from columns of lists of training tokens."""
        return _learnt(_counted(columns))

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> "Cuts":
        """Read what ``told`` gave."""
        chosen: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in found.items()
        }
        return cls(**chosen)

    def told(self) -> dict[str, Any]:
        """All of it for JSON."""
        return asdict(self)

    def spans(self, text: str, is_known: Callable[[str], bool] = lambda token: False) -> list[Span]:
        """Where the tokens of a raw text stand.

        Args:
            text: The raw text.
            is_known: Whether a token is a word of the training tokens: it is not cut.
        """
        found: list[Span] = []
        for match in re.finditer(r"\S+", text):
            whole = match.span()
            found += [whole] if match[0].isalnum() else _Stretch(self, text, is_known).cut(*whole)
        return found

    def is_attached(self, before: str, after: str) -> bool:
        """Whether two training tokens stand without a space between them in usual text, as far as they tell."""
        if plainly(after) in self.endings or plainly(before) in self.beginnings:
            return True
        ends, begins = (
            unicodedata.category(before[-1:] or " "),
            unicodedata.category(after[:1] or " "),
        )
        if ends in ("Ps", "Pi") and self.is_cut(before[-1], self.leading):
            return True
        is_closing = begins in ("Pe", "Pf") or after[:1] in CLOSING
        return is_closing and all(map(is_sign, after)) and self.is_cut(after[0], self.trailing)

    def together(self, tokens: Sequence[str]) -> tuple[str, list[Span]]:
        """The text that training tokens make, as it is usually written, and where each stands in it."""
        text, found = "", list[Span]()
        for before, token in zip(("", *tokens), tokens, strict=False):
            text += "" if not before or self.is_attached(before, token) else " "
            found.append((len(text), len(text) + len(token)))
            text += token
        return text, found

    def is_cut(self, sign: str, where: str) -> bool:
        """Whether a character is a sign that is cut off at an edge; ``where`` is ``leading`` or ``trailing``."""
        return is_sign(sign) and (sign in where or (self.others and sign not in self.kept))


@dataclass(frozen=True)
class _Stretch:
    """A stretch of a text without spaces while it is cut; what it costs grows with its length and no faster."""

    cuts: Cuts
    text: str
    is_known: Callable[[str], bool]

    def cut(self, start: int, stop: int) -> list[Span]:
        """The tokens of a stretch, in their order."""
        found: list[Span] = []
        waiting = [(start, stop)]
        while waiting:
            start, stop = self._trim(*waiting.pop(), found)
            place = self._inside(start, stop) if start < stop else None
            if place is not None:
                waiting += [(start, place[0]), (place[1], stop)]
                found += [place] * (place[0] < place[1])
            elif start < stop:
                found.append((start, stop))
        return sorted(found)

    def _trim(self, start: int, stop: int, found: list[Span]) -> Span:
        """Cut signs off both edges, add them to what is found, and give the rest."""
        cuts, text = self.cuts, self.text
        while start < stop and not self._is_whole(start, stop):
            if cuts.is_cut(text[start], cuts.leading):
                end = self._run_end(start, stop)
                found.append((start, end))
                start = end
            elif cuts.is_cut(text[stop - 1], cuts.trailing):
                begin = self._run_start(start, stop)
                found.append((begin, stop))
                stop = begin
            else:
                break
        return start, stop

    def _is_whole(self, start: int, stop: int) -> bool:
        if stop - start > LONGEST:
            return False
        token = self.text[start:stop]
        is_part = plainly(token) in (*self.cuts.endings, *self.cuts.beginnings)
        return is_part or bool(INITIALS.match(token)) or self.is_known(token)

    def _inside(self, start: int, stop: int) -> Span | None:
        """The next place inside a word where it is cut: a sign, or nothing between it and an ending."""
        if self._is_whole(start, stop):
            return None
        if stop - start <= LONGEST:
            word = self.text[start:stop]
            if ADDRESS.match(word):
                return None
            for place in self._apostrophes(word):
                return start + place, start + place
        for place in range(start + 1, stop - 1):
            if self.text[place] in self.cuts.inner and not self._is_in_number(place):
                return place, self._run_end(place, stop)
        return None

    def _is_in_number(self, place: int) -> bool:
        return self.text[place - 1].isdigit() and self.text[place + 1].isdigit()

    def _apostrophes(self, word: str) -> list[int]:
        """Where an ending or a beginning with an apostrophe is cut off, at most one of them."""
        lower = plainly(word)
        if len(lower) != len(word):  # a letter that becomes two
            return []
        ends = [
            len(word) - len(end)
            for end in self.cuts.endings
            if lower.endswith(end) and len(end) < len(word)
        ]
        begins = [
            len(begin)
            for begin in self.cuts.beginnings
            if lower.startswith(begin) and len(begin) < len(word)
        ]
        return (ends or begins)[:1]

    def _run_end(self, start: int, stop: int) -> int:
        """Where a sign that is cut off ends: it, or the longest run of signs that training has as one token."""
        end = start + 1
        while end < min(stop, start + LONGEST_RUN) and is_sign(self.text[end]):
            end += 1
        return next(
            (place for place in range(end, start, -1) if self.is_known(self.text[start:place])),
            start + 1,
        )

    def _run_start(self, start: int, stop: int) -> int:
        """Where such a sign at the end begins."""
        begin = stop - 1
        while begin > max(start, stop - LONGEST_RUN) and is_sign(self.text[begin - 1]):
            begin -= 1
        return next(
            (place for place in range(begin, stop) if self.is_known(self.text[place:stop])),
            stop - 1,
        )


def _counted(columns: Iterable[pa.ChunkedArray]) -> Counter[str]:
    """Times each token with a sign in it stands in training."""
    counts: Counter[str] = Counter()
    for column in columns:
        for chunk in column.chunks:
            flat = pc.list_flatten(chunk)
            for each in pc.value_counts(
                flat.filter(pc.match_substring_regex(flat, HAS_SIGN))
            ).to_pylist():
                counts[each["values"]] += each["counts"]
    return counts


def _learnt(counts: Counter[str]) -> Cuts:
    apart, lead, trail, inner = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    endings, beginnings = Counter[str](), Counter[str]()
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
    return Cuts(
        leading=_joined(leading),
        trailing=_joined(trailing),
        inner=_joined(inside),
        kept=_joined(seen),
        others=is_apart,
        endings=_apart(endings, counts, str.endswith),
        beginnings=_apart(beginnings, counts, str.startswith),
    )


def _count_word(
    token: str, count: int, lead: Counter[str], trail: Counter[str], inner: Counter[str]
) -> None:
    """Count the signs of a token that has letters or digits too; numbers, initials and addresses tell nothing of inner ones."""
    if is_sign(token[0]):
        lead[token[0]] += count
    if is_sign(token[-1]):
        trail[token[-1]] += count
    if ADDRESS.match(token) or INITIALS.match(token):
        return
    places = [place for place in range(1, len(token) - 1) if is_sign(token[place])]
    words = {
        token[place]
        for place in places
        if not (token[place - 1].isdigit() and token[place + 1].isdigit())
    }
    inner.update(dict.fromkeys(words, count))


def _joined(signs: Collection[str]) -> str:
    return "".join(sorted(signs))


def _apart(found: Counter[str], counts: Counter[str], has: Any) -> tuple[str, ...]:
    """Endings or beginnings that stand apart more often than in one token with their word, the longest first."""
    whole = {
        part: sum(
            count
            for token, count in counts.items()
            if len(token) > len(part) and has(plainly(token), part)
        )
        for part in found
    }
    return tuple(
        sorted(
            (part for part in found if found[part] > whole[part]),
            key=lambda part: (-len(part), part),
        )
    )
