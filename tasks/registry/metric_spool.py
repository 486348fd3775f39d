"""Points on their way to MLflow: on the disk first, then sent by a thread, in order and once.

A point is known by its metric and step. It is written once, with its time, and
sent with that time again where it is not known whether it arrived: MLflow keeps
one of two equal points. So neither an outage nor a kill loses or doubles any.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from data.sources.secret_references import hide_logins
from tasks.store.durable import write_json
from tasks.store.home import home

log = logging.getLogger(__name__)
Point = tuple[str, float, int, int]  # metric, value, step, milliseconds since 1970
POINTS = "points.jsonl"
PENDING = "pending.json"  # steps that are no point yet
SENT = "sent.json"  # how many points have arrived
BATCH = 1000
WAITS_SECONDS = (1.0, 2.0, 5.0, 10.0)  # between two tries; the last one for good


class Spool:
    """The points of one MLflow run.

    Args:
        run_id: The MLflow run.
        send: Writes points to MLflow.
    """

    def __init__(self, run_id: str, send: Callable[[str, list[Point]], None]) -> None:
        self.run_id = run_id
        self.send = send
        self.folder = spool_folder(run_id)
        self.points = _read_points(self.folder / POINTS)
        self.known = {(name, step) for name, _, step, _ in self.points}
        self.num_sent: int = min(_read(self.folder / SENT, 0), len(self.points))
        self.pending: list[dict[str, Any]] = _read(self.folder / PENDING, [])
        self.num_written = len(self.points)
        self.failure = ""
        self._is_closing = threading.Event()
        self._is_given_up = threading.Event()
        self._has_more = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, name: str, value: float, step: int, at: int) -> None:
        """Add a point, unless there is one of this metric and step."""
        if (name, step) not in self.known:
            self.known.add((name, step))
            self.points.append((name, value, step, at))

    def write(self, pending: Iterable[dict[str, Any]] = ()) -> None:
        """Write all points to the disk, and the steps that make the next ones; then send them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.points[self.num_written :]
        with (self.folder / POINTS).open("ab") as file:
            file.write("".join(f"{json.dumps(point)}\n" for point in new).encode())
            file.flush()
            os.fsync(file.fileno())
        self.num_written += len(new)
        write_json(self.folder / PENDING, list(pending))
        self._start()

    def _start(self) -> None:
        self._has_more.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        num_failed = 0
        while not self._is_given_up.is_set():
            if self.num_sent >= self.num_written:
                if self._is_closing.is_set():
                    return
                self._has_more.wait(1.0)
                self._has_more.clear()
                continue
            try:
                self.send_batch()
            except Exception as error:  # of MLflow, of its database, of the network between
                self._note(error)
                self._is_given_up.wait(WAITS_SECONDS[min(num_failed, len(WAITS_SECONDS) - 1)])
                num_failed += 1
            else:
                if num_failed:
                    log.info("MLflow responds again: metrics are sent from where they stopped")
                num_failed = 0

    def _note(self, error: Exception) -> None:
        is_first = self.failure == ""
        self.failure = one_line(error)
        if is_first:
            log.warning(
                "MLflow does not respond (%s): the training goes on, metrics wait in %s",
                self.failure,
                self.folder,
            )

    def send_batch(self) -> None:
        """Send the next points, and write down that they have arrived."""
        stop = min(self.num_sent + BATCH, self.num_written)
        self.send(self.run_id, self.points[self.num_sent : stop])
        self.num_sent = stop
        self.failure = ""
        write_json(self.folder / SENT, stop)

    def close(self, patience_seconds: float) -> bool:
        """Wait until all points have arrived; False if they have not within the time."""
        self._is_closing.set()
        self._has_more.set()
        if self._thread:
            self._thread.join(patience_seconds)
        self._is_given_up.set()
        return self.num_sent >= self.num_written


def spool_folder(run_id: str) -> Path:
    """Return the folder of the points of an MLflow run."""
    return home() / "spool" / (run_id or "none")


def one_line(error: BaseException | str) -> str:
    """Make one short line of an error or an address, without a password."""
    return hide_logins(" ".join(str(error).split()))[:200]


def _read(path: Path, default: Any) -> Any:
    """Read a small JSON file; what is missing or damaged counts as the default."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return default
    return found if isinstance(found, type(default)) else default


def _read_points(path: Path) -> list[Point]:
    """Read all points; what a crash cut short at the end is removed from the file."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    found = []
    for line in whole.splitlines():
        name, value, step, at = json.loads(line)
        found.append((str(name), float(value), int(step), int(at)))
    return found
