"""Programs that run side by side in one terminal: start, logs, start after an end, stop."""

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.store.home import home
from tasks.store.installation import project
from tasks.store.leases import children_of
from tasks.store.tied_process import tied

START_SECONDS = 600.0  # a busy machine of two cores needs minutes for both servers
TERM_SECONDS = 8.0
KILL_SECONDS = 3.0
NUM_OLD_LOGS = 5
FAULT = re.compile(r"\b(ERROR|CRITICAL)\b|^Traceback \(most recent call last\)")
FIRST_PAUSE_SECONDS = 1.0  # before the first start; the next ones take twice as long
LONGEST_PAUSE_SECONDS = 300.0
MOST = 20  # ends of a service within an hour
HOUR_SECONDS = 3600.0
SHOWN_FAULTS = 3  # different messages of one log in a minute; the rest stays in the log


@dataclass
class Service:
    """A program in its own process group, with its log.

    ``address`` responds once it is started; empty if it has none.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # has a password
    address: str = ""
    num_read: int = 0
    shown: dict[str, float] = field(default_factory=dict)

    def check(self) -> None:
        """Check that the program runs.

        Raises:
            ValueError: If it ended; with its log and the last lines of it.
        """
        if self.process.poll() is not None:
            last = self.log.read_text(errors="replace").strip().splitlines()[-5:]
            raise ValueError(
                f"{self.name} ended with status {self.process.returncode}. The end of {self.log}:\n"
                + "\n".join(last)
            )

    def new_faults(self) -> Iterator[str]:
        """Find errors in its log since the last call: each once in ten minutes, few at a time."""
        with self.log.open("rb") as log:
            log.seek(self.num_read)
            text = log.read()
        complete_lines = text[: text.rfind(b"\n") + 1]
        self.num_read += len(complete_lines)
        now = time.monotonic()
        num = 0
        for line in complete_lines.decode(errors="replace").splitlines():
            message = kind_of(line)
            if (
                FAULT.search(line)
                and now - self.shown.get(message, -1e9) > 600
                and num < SHOWN_FAULTS
            ):
                num += 1
                self.shown[message] = now
                yield line.strip()[:300]


def kind_of(line: str) -> str:
    """Leave times and numbers out of a line of a log, so that a repeated message is known."""
    return re.sub(r"[\d.:]+", "", line)[:200]


def rotate(log: Path) -> None:
    """Keep earlier logs under the names ``NAME.1.log`` (the newest) to ``NAME.5.log``."""
    olds = [log, *(log.with_suffix(f".{number}.log") for number in range(1, NUM_OLD_LOGS + 1))]
    for old, older in reversed(list(itertools.pairwise(olds))):
        if old.exists():
            old.replace(older)


@contextlib.contextmanager
def running(services: list[Service]) -> Iterator[list[Service]]:
    """Stop all services at the end, whatever happens."""
    try:
        yield services
    finally:
        stop(services[-1:])  # the worker first: its flow runs report their end to the servers
        stop(services[:-1])


def start(
    name: str, command: Sequence[str], environment: Mapping[str, str], address: str = ""
) -> Service:
    """Start a program in its own process group, with a new log."""
    log = home() / "logs" / f"{name}.log"
    process = launched(log, command, environment)
    return Service(name, process, log, command, environment, address)


def launched(
    log: Path, command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a program that ends with this one, and keep the logs of earlier starts."""
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log)
    with log.open("ab") as file:  # what another program adds or cuts is not written over
        return subprocess.Popen(
            tied(command),
            cwd=project(),
            env={
                **environment,
                "PYTHONSAFEPATH": "1",
            },  # no module of the project shadows a library's
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def end_flow_runs(worker: Service) -> None:
    """Send SIGTERM to the flow runs of a worker, and wait until they have saved and ended.

    A worker that gets a signal kills its flow runs at once, before they can save and before they
    can tell the server that they were cancelled.
    """
    deadline = time.monotonic() + TERM_SECONDS
    for lease in children_of(worker.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(lease.process, signal.SIGTERM)
    while children_of(worker.process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)


def stop(services: Sequence[Service], patience_seconds: float = TERM_SECONDS) -> None:
    """End all process groups: first with SIGTERM, then with SIGKILL."""
    for number, patience in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, KILL_SECONDS)):
        for service in services:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(service.process.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(_is_alive(service) for service in services):
            time.sleep(0.1)


def _is_alive(service: Service) -> bool:
    """Tell whether any process of a service's group is alive."""
    service.process.poll()  # else the first of them would stay as a zombie
    try:
        os.killpg(service.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(port: int, what: str, option: str) -> None:
    """Check that a port is free.

    Raises:
        ValueError: If it is not; with the port, the service and how to choose another.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(
                f"port {port} for {what} is used by another program ({error.strerror}). "
                f"Stop that program, or choose another port: refrain up {option} {port + 1}"
            ) from error


def wait_for(url: str, service: Service, services: Sequence[Service]) -> None:
    """Wait until a server responds, with a line of progress every ten seconds.

    Raises:
        ValueError: If a service ended, or the server did not respond in time; names its log.
    """
    started = time.monotonic()
    printed = 0
    while (seconds := time.monotonic() - started) < START_SECONDS:
        for one in services:
            one.check()
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(url, timeout=2) as response,
        ):
            if response.status == 200:
                return
        if seconds // 10 > printed:
            printed = int(seconds // 10)
            print(
                f"  {service.name} is starting, {seconds:.0f} s so far", file=sys.stderr, flush=True
            )
        time.sleep(0.25)
    raise ValueError(
        f"{service.name} did not respond at {url} within {START_SECONDS:.0f} s; "
        f"its log is {service.log}"
    )


@dataclass
class Restarts:
    """Ends of services, and when the next start of each is due; in the order of their starts.

    A server comes before the worker that needs it. A killed service is back within seconds; one
    that cannot start, as on a full disk, is tried for about an hour.
    """

    services: Sequence[Service]
    ends: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    due: dict[str, float] = field(default_factory=dict)

    def look(self) -> Iterator[str]:
        """Note services that ended, and start those again that are due.

        Yields:
            A line for each end and each start.

        Raises:
            ValueError: If a service ended more than ``MOST`` times within an hour; names its log.
        """
        for service in self.services:
            status = service.process.poll()
            if status is None:
                continue
            if service.name not in self.due:
                pause = self._pause(service)
                self.due[service.name] = time.monotonic() + pause
                yield f"{service.name} ended with status {status}; it starts again in {pause:g} s"
            if self.due[service.name] <= time.monotonic():
                del self.due[service.name]
                if _is_started(service):
                    earlier = f"{service.log.stem}.1.log"
                    yield f"{service.name} started again; its log before is {earlier}"

    def _pause(self, service: Service) -> float:
        """Count an end, and give the seconds until the next start."""
        now = time.monotonic()
        recent = [end for end in self.ends[service.name] if now - end < HOUR_SECONDS]
        self.ends[service.name] = [*recent, now]
        if len(recent) >= MOST:
            service.check()
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** len(recent))


def _is_started(service: Service) -> bool:
    """Start a service again, and tell whether it responds, as the worker needs the servers."""
    # What is left of its processes holds its port; flow runs of a killed worker save first.
    stop([service])
    try:
        service.process = launched(service.log, service.command, service.environment)
        service.num_read = 0
        if service.address:
            wait_for(service.address, service, [service])
    except (OSError, ValueError):  # a full disk, or it ended again: it stays due
        return False
    return True
