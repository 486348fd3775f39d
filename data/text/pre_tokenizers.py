"""Raw text cut into words as the training tokens are, whose punctuation may be apart.

A word here is a token with a letter or a digit. Signs at its edges (``Ursa,``)
and inside it (``and/or``) and endings with an apostrophe (``John's``) are cut
off where the training tokens have them apart more often than attached.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from data.text.learned_cuts import learn_cuts
from data.text.punctuation import ADDRESS, INITIALS, is_sign, plainly

Span = tuple[int, int]
LONGEST = 2000  # characters of a word that may be known or an address
LONGEST_RUN = 8  # signs of one token
CLOSING = ",.;:!?%\u3001\u3002\uff0c\uff01\uff1f\uff1b\uff1a\u2026"


@dataclass(frozen=True)
class Cuts:
    """The signs that are apart from words in training tokens.

    Attributes:
        leading: Signs that are cut off the beginning of a word.
        trailing: Signs that are cut off its end.
        inner: Signs that are cut out of its middle, except in numbers and addresses.
        kept: All signs of the training tokens; ``others`` decides about the rest.
        others: Whether signs that no training token has are cut off.
        endings: Endings with an apostrophe that are apart, such as ``'s``.
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
        return cls(**learn_cuts(columns))

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> "Cuts":
        """Read the fields that ``as_json`` wrote."""
        chosen: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in found.items()
        }
        return cls(**chosen)

    def as_json(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)

    def spans(self, text: str, is_known: Callable[[str], bool] = lambda token: False) -> list[Span]:
        """Find the tokens of a raw text.

        Args:
            text: The raw text.
            is_known: Whether a token is a training token, which is not cut.
        """
        found: list[Span] = []
        for match in re.finditer(r"\S+", text):
            whole = match.span()
            found += [whole] if match[0].isalnum() else _Stretch(self, text, is_known).cut(*whole)
        return found

    def is_attached(self, before: str, after: str) -> bool:
        """Whether text usually has no space between two training tokens."""
        if plainly(after) in self.endings or plainly(before) in self.beginnings:
            return True
        ends = unicodedata.category(before[-1:] or " ")
        begins = unicodedata.category(after[:1] or " ")
        if ends in ("Ps", "Pi") and self.is_cut(before[-1], self.leading):
            return True
        is_closing = begins in ("Pe", "Pf") or after[:1] in CLOSING
        return is_closing and all(map(is_sign, after)) and self.is_cut(after[0], self.trailing)

    def together(self, tokens: Sequence[str]) -> tuple[str, list[Span]]:
        """Join training tokens to text as it is usually written, with the span of each."""
        text = ""
        found: list[Span] = []
        for before, token in zip(("", *tokens), tokens, strict=False):
            text += "" if not before or self.is_attached(before, token) else " "
            found.append((len(text), len(text) + len(token)))
            text += token
        return text, found

    def is_cut(self, sign: str, where: str) -> bool:
        """Whether a sign is cut off at an edge; ``where`` is ``leading`` or ``trailing``."""
        return is_sign(sign) and (sign in where or (self.others and sign not in self.kept))


@dataclass(frozen=True)
class _Stretch:
    """A part of a text without spaces while it is cut, in time linear in its length."""

    cuts: Cuts
    text: str
    is_known: Callable[[str], bool]

    def cut(self, start: int, stop: int) -> list[Span]:
        """Cut the part into its tokens, in text order."""
        found: list[Span] = []
        waiting = [(start, stop)]
        while waiting:
            start, stop = self._trim(*waiting.pop(), found)
            inner = self._inside(start, stop) if start < stop else None
            if inner is not None:
                waiting += [(start, inner[0]), (inner[1], stop)]
                found += [inner] * (inner[0] < inner[1])
            elif start < stop:
                found.append((start, stop))
        return sorted(found)

    def _trim(self, start: int, stop: int, found: list[Span]) -> Span:
        """Cut signs off both edges, add them to ``found``, and return the rest."""
        cuts = self.cuts
        text = self.text
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
        """Find the next inner cut: a sign, or an empty span before an ending."""
        if self._is_whole(start, stop):
            return None
        if stop - start <= LONGEST:
            word = self.text[start:stop]
            if ADDRESS.match(word):
                return None
            for index in self._apostrophes(word):
                return start + index, start + index
        for index in range(start + 1, stop - 1):
            if self.text[index] in self.cuts.inner and not self._is_in_number(index):
                return index, self._run_end(index, stop)
        return None

    def _is_in_number(self, index: int) -> bool:
        return self.text[index - 1].isdigit() and self.text[index + 1].isdigit()

    def _apostrophes(self, word: str) -> list[int]:
        """Find where an ending or a beginning with an apostrophe is cut off, at most one."""
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
        """Find the end of a cut: one sign, or the longest run of signs that is a token."""
        end = start + 1
        while end < min(stop, start + LONGEST_RUN) and is_sign(self.text[end]):
            end += 1
        return next(
            (i for i in range(end, start, -1) if self.is_known(self.text[start:i])),
            start + 1,
        )

    def _run_start(self, start: int, stop: int) -> int:
        """Find the start of a cut at the end, as ``_run_end`` does."""
        begin = stop - 1
        while begin > max(start, stop - LONGEST_RUN) and is_sign(self.text[begin - 1]):
            begin -= 1
        return next(
            (i for i in range(begin, stop) if self.is_known(self.text[i:stop])),
            stop - 1,
        )
