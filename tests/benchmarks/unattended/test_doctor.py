"""The twenty faults of the doctor's harness: each names a check, and ends as it began."""

import subprocess
from pathlib import Path

from benchmarks.unattended.faults import FAULTS, Installation, changed_file, log_line, other_version
from refrain.deployments import Server
from refrain.doctor.report import CHECKS


def test_twenty_different_faults_name_checks_of_the_doctor() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) == 20
    assert {fault.check for fault in FAULTS} == set(CHECKS) - {"memory", "notices"}


def test_files_are_as_before_after_a_fault(tmp_path: Path) -> None:
    at = Installation(tmp_path, tmp_path, Server(""), subprocess.Popen(["true"]))
    (at.store / "logs").mkdir(parents=True)
    log = at.store / "logs" / "worker.log"
    log.write_text("before\n")
    with log_line("worker", "ERROR\n")(at):
        assert log.read_text().startswith("before\nERROR\n")
    with changed_file("logs/*.log")(at):
        assert log.read_text() != "before\n"
    assert log.read_text() == "before\n"


def test_a_version_is_replaced_for_one_call_only(tmp_path: Path) -> None:
    at = Installation(tmp_path, tmp_path, Server(""), subprocess.Popen(["true"]))
    with other_version("fastapi", "0.152.0")(at) as how:
        path = Path(dict(how.variables)["PYTHONPATH"].split(":")[0])
    assert (path / "fastapi-0.152.0.dist-info" / "METADATA").exists()
