"""The ledger of a model: every decision about its champion, in the order they were made.

A line is a file of its own, ``ledger/NAME/000007.json``. Before an alias
moves, the line is written as ``000007.pending``; it is renamed once MLflow
has the aliases. So a line is whole or not there, and a crash between the two
leaves what the next change must finish. Appended to one file, a line could be
cut short, and nothing would say whether its aliases were moved.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from tasks.registry.lineage import flow_run_now, person
from tasks.store import durable
from tasks.store.home import home

PROMOTED, KEPT, ROLLED_BACK, FOUND = "promoted", "kept", "rolled back", "found"
LINE, PENDING = ".json", ".pending"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One decision: about which version, who is champion after it and who was before, when, why, by whom.

    ``event`` is ``promoted``, ``kept`` (the champion stayed), ``rolled back``
    or ``found`` (somebody moved the alias in MLflow, or from another store).
    """

    number: int
    event: str
    version: str
    champion: str
    replaced: str  # empty if the champion stayed, or there was none
    previous: str  # who one would go back to from here
    when: str  # ISO 8601, UTC
    why: str
    flow_run: str  # empty if it was typed
    flow_run_url: str
    person: str
    scores: dict[str, float]
    decision: str = ""  # digest of the Promotion


@dataclass(frozen=True)
class Ledger:
    """All lines of a model, the oldest first."""

    name: str
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, name: str) -> "Ledger":
        """Read it; empty if nothing was decided yet."""
        return cls(name, tuple(_read(path) for path in sorted(_folder(name).glob(f"*{LINE}"))))

    @property
    def champion(self) -> str:
        """Who is champion after the last line; empty if nobody is."""
        return self.lines[-1].champion if self.lines else ""

    @property
    def reign(self) -> list[str]:
        """Champions one after the other up to the last, without those that were gone back over."""
        found: list[str] = []
        for line in self.lines:
            if line.event == KEPT or not line.champion:
                continue
            if line.champion in found and line.event != PROMOTED:
                del found[found.index(line.champion) + 1 :]
            else:
                found = [version for version in found if version != line.champion] + [line.champion]
        return found

    def scores_of(self, version: str) -> dict[str, float]:
        """The latest scores that are written down for a version."""
        return next(
            (
                line.scores
                for line in reversed(self.lines)
                if line.version == version and line.scores
            ),
            {},
        )

    def next_line(
        self,
        event: str,
        version: str,
        champion: str,
        why: str,
        *,
        scores: Mapping[str, float],
        decision: str = "",
    ) -> Line:
        """The line that comes after these, but for ``previous``: some of who was champion before may be gone."""
        flow_run, url = flow_run_now()
        return Line(
            number=max((line.number for line in self.lines), default=0) + 1,
            event=event,
            version=version,
            champion=champion,
            replaced=self.champion if champion != self.champion else "",
            previous="",
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            why=why,
            flow_run=flow_run,
            flow_run_url=url,
            person=person(),
            scores=dict(scores),
            decision=decision,
        )

    def before(self, line: Line) -> list[str]:
        """Who was champion before the one of a line that comes next, the latest first."""
        reign = Ledger(self.name, (*self.lines, line)).reign
        return [version for version in reversed(reign) if version != line.champion]

    @property
    def pending(self) -> Line | None:
        """The line that was begun and not finished, if there is one."""
        return next(map(_read, sorted(_folder(self.name).glob(f"*{PENDING}"))), None)

    def begin(self, line: Line) -> None:
        """Write a line before what it says is done."""
        durable.write_json(_path(self.name, line, PENDING), asdict(line))

    def finish(self, line: Line) -> "Ledger":
        """Make a line that was begun one of the ledger, and return that."""
        path = _path(self.name, line, LINE)
        if path.exists():
            raise OSError(
                f"{path} is there already: another program writes this ledger without its lock"
            )
        durable.rename(_path(self.name, line, PENDING), path)
        return Ledger(self.name, (*self.lines, line))

    def drop(self, line: Line) -> None:
        """Forget a line that was begun."""
        _path(self.name, line, PENDING).unlink()


def _folder(name: str) -> Path:
    return home() / "ledger" / quote(name, safe="")


def _path(name: str, line: Line, suffix: str) -> Path:
    return _folder(name) / f"{line.number:06}{suffix}"


def _read(path: Path) -> Line:
    return Line(**json.loads(path.read_text(encoding="utf-8")))
