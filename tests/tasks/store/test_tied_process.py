"""A program that is tied to another ends with it, also after a kill."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tasks.store.installation import ROOT
from tasks.store.leases import started_of

PARENT = """
import subprocess, sys, time
from tasks.store.tied_process import tied
child = subprocess.Popen(tied([sys.executable, "-c", "import time; time.sleep(600)"]))
print(child.pid, flush=True)
time.sleep(600)
"""
WATCHED = """
import os, subprocess, sys, time
code = '''
import signal, sys, time
from tasks.store.tied_process import end_with_parent
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("saved", flush=True)))
end_with_parent()
print(__import__("os").getpid(), flush=True)
time.sleep(600)
'''
subprocess.Popen([sys.executable, "-c", code])
time.sleep(600)
"""


@pytest.mark.parametrize("script", [PARENT, WATCHED])
def test_tied_process_ends_when_its_parent_is_killed(script: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert started_of(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while started_of(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not started_of(child)
    if script is WATCHED:
        assert parent.stdout.readline() == "saved\n"
