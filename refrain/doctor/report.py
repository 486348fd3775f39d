"""All checks in their order, and the report of what they found."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from refrain.doctor.contents import (
    check_aliases,
    check_artifacts,
    check_clock,
    check_stale_runs,
)
from refrain.doctor.finding import ERROR, WARNING, Finding
from refrain.doctor.machine import check_disk, check_memory, check_ports
from refrain.doctor.notices import check_notices
from refrain.doctor.packages import check_packages
from refrain.doctor.schedules import check_late_runs, check_schedules, next_runs
from refrain.doctor.services import check_logs, check_servers, check_worker
from refrain.doctor.surroundings import Surroundings
from tasks.errors.known_errors import known_error

Check = Callable[[Surroundings], Iterator[Finding]]

# Quick ones first. A new check is a function of its own and a line here.
CHECKS: dict[str, Check] = {
    "packages": check_packages,
    "disk": check_disk,
    "memory": check_memory,
    "ports": check_ports,
    "clock": check_clock,
    "servers": check_servers,
    "logs": check_logs,
    "worker": check_worker,
    "schedules": check_schedules,
    "late runs": check_late_runs,
    "stale runs": check_stale_runs,
    "notices": check_notices,
    "aliases": check_aliases,
    "artifacts": check_artifacts,
}
STATUS = {ERROR: 1, WARNING: 5, "": 0}  # exit status by the worst finding


@dataclass(frozen=True)
class Report:
    """The findings of each check, and the next flow runs of all schedules."""

    findings: Mapping[str, list[Finding]]
    next_runs: list[dict[str, str]]

    @property
    def worst(self) -> str:
        """The level of the worst finding; empty if there is none."""
        levels = {each.level for found in self.findings.values() for each in found}
        return next((level for level in (ERROR, WARNING) if level in levels), "")

    @property
    def status(self) -> int:
        """The exit status: 0 without a finding, 5 with warnings only, 1 with an error."""
        return STATUS[self.worst]

    def as_json(self) -> dict[str, Any]:
        """Return the report as ``--json`` prints it."""
        return {
            "status": self.worst or "healthy",
            "checks": {
                name: [asdict(each) for each in found] for name, found in self.findings.items()
            },
            "next_runs": self.next_runs,
        }


def examine(seen: Surroundings, begin: Callable[[str], None]) -> Report:
    """Run all checks; one that fails is a finding itself.

    Args:
        seen: What they look at.
        begin: Called with the name of each check before it.
    """
    found: dict[str, list[Finding]] = {}
    for name, check in CHECKS.items():
        begin(name)
        found[name] = run_check(check, seen)
    try:
        upcoming = next_runs(seen)
    except Exception:  # the checks of the same server have the reason
        upcoming = []
    return Report(found, upcoming)


def run_check(check: Check, seen: Surroundings) -> list[Finding]:
    """Run one check; an error in it is a finding."""
    found: list[Finding] = []
    try:
        found.extend(check(seen))
    except Exception as error:
        reason = known_error(error) or f"{type(error).__name__}: {error}"
        text = f"this could not be checked: {reason}"
        found.append(Finding(ERROR, text[:400], "correct the other findings first"))
    return found
