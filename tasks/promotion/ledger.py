"""The ledger of a model: every decision about its champion, in the order they were made.

A line is a file of its own, ``ledger/NAME/000007.json``. Before an alias
moves, the line is written as ``000007.pending``; it is renamed once MLflow
has the aliases. So a line is whole or not there, and a crash between the two
leaves a pending line for the next change to finish. A line at the end of one
file could be cut short, and it would be unknown whether its aliases moved.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tasks.registry.lineage import flow_run_now, person
from tasks.store import durable
from tasks.store.damaged import set_aside
from tasks.store.home import home
from tasks.store.sealed import DamagedError, read_sealed, write_sealed

PROMOTED = "promoted"
KEPT = "kept"
ROLLED_BACK = "rolled back"
FOUND = "found"
ASKED = "asked"
LINE = ".json"
PENDING = ".pending"
COUNT = "count"  # the file with the number of the last line, and of those that a person gave up
CONTENT = (
    "It holds a decision about a champion: which version, when, why and by whom. Restore it from a "
    "backup, or run refrain verify --set-aside to go on without it"
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One decision on a version: the champion after and before it, when, why and by whom.

    ``event`` is ``promoted``, ``kept`` (the champion stayed), ``asked`` (a
    person decides), ``rolled back`` or ``found`` (somebody moved the alias in
    MLflow, or from another store). ``by`` is the person who decided a question,
    and ``until`` the end of a question, ISO 8601, UTC.
    """

    number: int
    event: str
    version: str
    champion: str
    replaced: str  # empty if the champion stayed, or there was none
    previous: str  # the version that a rollback takes
    when: str  # ISO 8601, UTC
    why: str
    flow_run: str  # empty if a person typed the command
    flow_run_url: str
    person: str
    scores: dict[str, float]
    decision: str = ""  # digest of the Promotion
    by: str = ""
    until: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the time of a question has passed."""
        return datetime.now(UTC) >= datetime.fromisoformat(self.until)


@dataclass(frozen=True)
class Ledger:
    """All lines of a model, the oldest first."""

    name: str
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, name: str) -> "Ledger":
        """Read the ledger; empty if nothing was decided yet."""
        paths = line_paths(name)
        _check_count(name, paths)
        return cls(name, tuple(map(_read, paths)))

    @property
    def champion(self) -> str:
        """The champion after the last line; empty if there is none."""
        return self.lines[-1].champion if self.lines else ""

    @property
    def reign(self) -> list[str]:
        """The champions up to the last, in order, without those that a rollback left."""
        found: list[str] = []
        for line in self.lines:
            if line.event in (KEPT, ASKED) or not line.champion:
                continue
            if line.champion in found and line.event != PROMOTED:
                del found[found.index(line.champion) + 1 :]
            else:
                found = [version for version in found if version != line.champion] + [line.champion]
        return found

    @property
    def question(self) -> Line | None:
        """The question that waits for a person, if there is one.

        It is settled by a decision on its version, and void after any change of the champion.
        """
        kept: set[str] = set()
        for line in reversed(self.lines):
            if line.event == ASKED:
                return line if line.version not in kept else None
            if line.event != KEPT:
                return None
            kept.add(line.version)
        return None

    def scores_of(self, version: str) -> dict[str, float]:
        """Find the latest scores of a version in the ledger."""
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
        by: str = "",
        until: str = "",
    ) -> Line:
        """Make the next line, without ``previous``: some earlier champions may be gone."""
        flow_run, url = flow_run_now()
        return Line(
            number=max([count_of(self.name)["last"], *(line.number for line in self.lines)]) + 1,
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
            by=by,
            until=until,
        )

    def before(self, line: Line) -> list[str]:
        """List the champions before that of the next line, the latest first."""
        reign = Ledger(self.name, (*self.lines, line)).reign
        return [version for version in reversed(reign) if version != line.champion]

    @property
    def pending(self) -> Line | None:
        """The line that was begun and not finished, if there is one; a damaged one is dropped.

        Its decision is made again, and the aliases show whether it was carried out.
        """
        for path in sorted(_folder(self.name).glob(f"*{PENDING}")):
            try:
                return _read(path)
            except DamagedError as error:
                set_aside(path, str(error))
        return None

    def begin(self, line: Line) -> None:
        """Write a line before the aliases move."""
        write_sealed(_path(self.name, line, PENDING), asdict(line))

    def finish(self, line: Line) -> "Ledger":
        """Add a line that was begun to the ledger, and return the ledger."""
        path = _path(self.name, line, LINE)
        if path.exists():
            raise OSError(
                f"{path} is there already: another program writes this ledger without its lock"
            )
        durable.rename(_path(self.name, line, PENDING), path)
        write_sealed(_folder(self.name) / COUNT, count_of(self.name) | {"last": line.number})
        return Ledger(self.name, (*self.lines, line))

    def drop(self, line: Line) -> None:
        """Remove a line that was begun."""
        _path(self.name, line, PENDING).unlink()


def _folder(name: str) -> Path:
    return home() / "ledger" / quote(name, safe="")


def _path(name: str, line: Line, suffix: str) -> Path:
    return _folder(name) / f"{line.number:06}{suffix}"


def _read(path: Path) -> Line:
    try:
        line = Line(**read_sealed(path))
    except TypeError as error:
        raise DamagedError(f"{path} has other fields than expected ({error}). {CONTENT}") from None
    except DamagedError as error:
        raise DamagedError(f"{error}. {CONTENT}") from None
    if f"{line.number:06}" != path.stem:
        raise DamagedError(f"{path} is line {line.number} of a ledger. {CONTENT}")
    return line


def line_paths(name: str) -> list[Path]:
    """List the files of a ledger's lines, the oldest first."""
    return sorted(_folder(name).glob(f"*{LINE}"))


def count_of(name: str) -> dict[str, Any]:
    """Read the number of a ledger's last line and those given up; a damaged count is made again."""
    with suppress(FileNotFoundError, DamagedError):
        return {"last": 0, "given_up": []} | read_sealed(_folder(name) / COUNT)
    return {"last": 0, "given_up": []}


def _check_count(name: str, paths: list[Path]) -> None:
    """Check that no line is missing.

    Raises:
        DamagedError: If one is; with its file.
    """
    count = count_of(name)
    expected = {f"{number:06}" for number in range(1, count["last"] + 1)}
    given_up = {f"{number:06}" for number in count["given_up"]}
    missing = sorted(expected - given_up - {path.stem for path in paths})
    if missing:
        path = _folder(name) / f"{missing[0]}{LINE}"
        raise DamagedError(f"{path} is missing, expected {count['last']} lines. {CONTENT}")


def give_up(name: str) -> list[Path]:
    """Set the damaged lines of a ledger aside, and note that it goes on without them and others.

    Returns:
        The files of the lines that the ledger lacks now and lacked not before.
    """
    paths = line_paths(name)
    for path in paths:
        try:
            _read(path)
        except DamagedError as error:
            set_aside(path, str(error))
    count = count_of(name)
    last = max([count["last"], *(int(path.stem) for path in paths if path.stem.isdigit())])
    there = {path.stem for path in line_paths(name)}
    gone = [number for number in range(1, last + 1) if f"{number:06}" not in there]
    missing = sorted(set(gone) - set(count["given_up"]))
    if missing:
        write_sealed(_folder(name) / COUNT, {"last": last, "given_up": gone})
    return [_folder(name) / f"{number:06}{LINE}" for number in missing]


def ledger_names() -> list[str]:
    """List the models that have a ledger."""
    return [unquote(path.name) for path in sorted((home() / "ledger").glob("*/"))]
