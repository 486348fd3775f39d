"""The programs of ``refrain up``: how they end."""

import os
import sys
import time
from pathlib import Path

from refrain.services import Service, end_flow_runs, start, stop
from tasks.store.leases import children_of

RUN = """
import signal, sys, time
from pathlib import Path
from tasks.store.leases import mine
def save(number, frame):
    time.sleep(0.3)
    Path(sys.argv[1]).write_text("saved")
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
mine()
time.sleep(60)
"""
WORKER = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", *sys.argv[1:]]).wait()
sys.stdin.read()
import time; time.sleep(60)
"""


def wait_for_child(worker: Service) -> None:
    deadline = time.monotonic() + 30
    while not children_of(worker.process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_flow_runs_save_before_their_worker_is_stopped(store: Path, tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", WORKER, RUN, str(tmp_path / "saved")]
    worker = start("worker", command, {**os.environ, "PYTHONPATH": root})
    try:
        wait_for_child(worker)
        assert len(children_of(worker.process.pid)) == 1
        end_flow_runs(worker)
        assert (tmp_path / "saved").read_text() == "saved"
        worker.check()  # it still runs, and can report
    finally:
        stop([worker])
