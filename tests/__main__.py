"""Check everything: format, lint, layers, types, spelling, tests.

``make test`` and the gate run this. The checks run beside the tests, because these often wait
for servers. ``--quick`` leaves out the tests that start servers or train (``make check``).
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent
PYTHON = [sys.executable, "-m"]
CHECKS = {
    "format": [*PYTHON, "ruff", "format", "--check", "."],
    "lint": [*PYTHON, "ruff", "check", "."],
    "layers": [str(BIN / "lint-imports"), "--no-logo"],
    "dependencies": [str(BIN / "deptry"), "."],
    "unused code": [*PYTHON, "vulture"],
    "spelling": [str(BIN / "typos")],
    "types": [*PYTHON, "mypy"],
}
QUICK = ["-m", "not e2e and not slow and not postgres"]


def main() -> None:
    """Run every check; end with the first status that is not 0.

    The closing line of pytest is the last one.
    """
    words = sys.argv[1:]
    is_quick = "--quick" in words
    words = [word for word in words if word != "--quick"]
    command = [*PYTHON, "pytest", "-n", workers()]
    with tempfile.TemporaryFile("w+") as output:
        tests = subprocess.Popen(
            [*command, *(QUICK if is_quick else []), *words], stdout=output, stderr=output
        )
        failed = {name: run(name, command) for name, command in CHECKS.items()}
        print("== tests", flush=True)
        failed["tests"] = follow(tests, output.fileno())
    wrong = [name for name, status in failed.items() if status]
    if wrong and wrong != ["tests"]:
        print(f"FAILED: {', '.join(wrong)}", file=sys.stderr)
    sys.exit(failed[wrong[0]] if wrong else 0)


def workers() -> str:
    """Processes of the tests: one for each core that this process may use."""
    return str(max(2, len(os.sched_getaffinity(0))))


def run(name: str, command: list[str]) -> int:
    """Run one check and show its output where it failed."""
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    outcome = "FAILED" if done.returncode else "passed"
    print(f"== {name}: {outcome} in {time.monotonic() - started:.0f} s", flush=True)
    return done.returncode


def follow(process: subprocess.Popen[bytes], output: int) -> int:
    """Print what a process writes to a file, until it ends."""
    position = 0
    while True:
        is_over = process.poll() is not None
        while found := os.pread(output, 1 << 16, position):
            sys.stdout.buffer.write(found)
            sys.stdout.buffer.flush()
            position += len(found)
        if is_over:
            return process.returncode
        time.sleep(0.2)


if __name__ == "__main__":
    main()
