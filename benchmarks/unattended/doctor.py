"""``refrain doctor`` on a small installation: healthy, and under twenty faults, one at a time.

``python -m benchmarks.unattended.doctor`` makes a project with a champion, starts its servers,
and counts the faults that the doctor finds, and its findings where there is no fault. ``--dry``
writes nothing.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.lib.figures import Figure, figure, require_clean_tree, write
from benchmarks.reliability.servers import wait_until
from benchmarks.reliability.small_project import (
    SHORT,
    checked,
    command,
    make_project,
    refrain,
    surroundings,
)
from benchmarks.unattended.faults import (
    FAULTS,
    HEARTBEAT_SECONDS,
    USUAL,
    Fault,
    How,
    Installation,
)
from refrain.deployments import Server
from refrain.services import free_port

COMMAND = "python -m benchmarks.unattended.doctor"
# Of the machine that measures, whose other programs are no fault of the installation.
OF_MACHINE = ("disk", "memory")


def main() -> None:
    """Measure, and write the figures."""
    is_dry = "--dry" in sys.argv
    if not is_dry:
        require_clean_tree()
    found = measure()
    for each in found:
        print(f"{each.figure}: {each.value:g} {each.unit} (goal {each.goal:g}); {each.note}")
    if not is_dry:
        write("unattended", found)


def measure() -> list[Figure]:
    """Inject each fault, and count what the doctor finds."""
    with tempfile.TemporaryDirectory(prefix="refrain-doctor-") as name, installed(Path(name)) as at:
        false = [f"healthy: {each}" for each in findings(at, USUAL, but=OF_MACHINE)]
        lost = []
        for number, fault in enumerate(FAULTS, 1):
            started = time.monotonic()
            is_found = finds(at, fault)
            lost += [] if is_found else [fault.name]
            seconds = time.monotonic() - started
            print(f"{number:>2} {fault.name:<18} {is_found!s:<5} {seconds:.0f} s", flush=True)
            if number == len(FAULTS) - 1:  # the last one ends the installation
                after = findings(at, USUAL, but=OF_MACHINE)
                false += [f"after the faults: {each}" for each in after]
    for line in [*(f"not found: {name}" for name in lost), *false]:
        print(line)
    return [
        figure(
            "doctor_faults_found",
            len(FAULTS) - len(lost),
            unit=f"of {len(FAULTS)} faults",
            goal=len(FAULTS),
            better="higher",
            command=COMMAND,
            note="injected one at a time into a small installation with all servers",
        ),
        figure(
            "doctor_false_findings",
            len(false),
            unit="findings",
            goal=0,
            better="lower",
            command=COMMAND,
            note="on the same installation before the first fault and after the last but one",
        ),
    ]


def finds(at: Installation, fault: Fault) -> bool:
    """Inject a fault, and tell whether its check has a finding about it, with a remedy."""
    with fault.inject(at) as how:
        report = examined(at, how)
    found = report["checks"].get(fault.check, [])
    is_found = any(fault.part in each["text"] and each["remedy"] for each in found)
    if not is_found:
        print(json.dumps(report["checks"], indent=2))
    return is_found


def findings(at: Installation, how: How, *, but: tuple[str, ...]) -> list[str]:
    """List the findings of all checks but some."""
    checks = examined(at, how)["checks"]
    return [each["text"] for name, found in checks.items() if name not in but for each in found]


def examined(at: Installation, how: How) -> dict[str, Any]:
    """Call the doctor, and return its report."""
    words = ("doctor", "--json", *how.words)
    done = refrain(at.project, *words, prefix=how.prefix, **dict(how.variables))
    if not done.stdout.startswith("{"):
        raise SystemExit(f"the doctor failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@contextmanager
def installed(folder: Path) -> Iterator[Installation]:
    """Make a project with a champion, and let its ``refrain up`` run."""
    project = make_project(folder)
    checked(refrain(project, "run", *SHORT, "--set", "promotion.policy=always"))
    ports = (str(free_port()), str(free_port()))
    words = command("up", "--prefect-port", ports[0], "--mlflow-port", ports[1])
    environment = surroundings(project, PREFECT_WORKER_HEARTBEAT_SECONDS=str(HEARTBEAT_SECONDS))
    screen = folder / "screen"
    with screen.open("w") as file:
        process = subprocess.Popen(words, cwd=project, env=environment, stdout=file, stderr=file)
    try:
        wait_until(
            lambda: "Ctrl-C stops all" in screen.read_text() or process.poll() is not None,
            "the start",
        )
        if process.poll() is not None:
            raise SystemExit(screen.read_text())
        kept = (project / ".refrain" / "up.env").read_text()
        auth = kept.partition("export PREFECT_API_AUTH_STRING=")[2].split()[0]
        server = Server(f"http://127.0.0.1:{ports[0]}/api", auth)
        yield Installation(project, folder, server, process)
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main()
