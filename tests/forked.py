"""Runs code once for each of several cases, each in a new process of the same program.

The processes share libraries that were imported before they part, which takes most of the time of
such a test. What a case must be the first to import is left out of these libraries.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAM = """
import importlib, json, os, sys, traceback
libraries, code, cases = json.load(sys.stdin)
for library in libraries:
    importlib.import_module(library)
sys.stdin.close()
outcomes = {}
for name, case in cases.items():
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        status = 1
        try:
            os.dup2(writer, 2)
            exec(compile(code, "case", "exec"), {"case": case, "__name__": "__main__"})
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, errors="replace") as errors:
        text = errors.read()
    outcomes[name] = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), text
print(json.dumps(outcomes))
"""
Outcomes = dict[str, tuple[int, str]]


def run_cases(
    code: str,
    cases: Mapping[str, Any],
    *,
    libraries: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str] | None = None,
) -> Outcomes:
    """Run code with each case as ``case``.

    Args:
        code: Raises where the case fails.
        cases: By name; JSON.
        libraries: Imported once, before the processes part.
        cwd: Of the program.
        environment: Of the program; None for that of the tests.

    Returns:
        Exit status and standard error of each case.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([list(libraries), code, dict(cases)]),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        name: (status, text)
        for name, (status, text) in json.loads(done.stdout.splitlines()[-1]).items()
    }
