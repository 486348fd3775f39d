"""Check everything: format, lint, types, tests. ``make test`` and the gate run this."""

import subprocess
import sys
import time


def main() -> None:
    """Run every check, the tests last, and end with the first status that is not 0."""
    python = [sys.executable, "-m"]
    checks = {
        "format": [*python, "ruff", "format", "--check", "."],
        "lint": [*python, "ruff", "check", "."],
        "types": [*python, "mypy"],
        "tests": [*python, "pytest", *sys.argv[1:]],
    }
    failed = 0
    for name, command in checks.items():
        started = time.monotonic()
        print(f"== {name}", flush=True)
        status = subprocess.run(command, check=False).returncode
        failed = failed or status
        if name != "tests":  # pytest's own summary is the last line
            print(
                f"   {'passed' if status == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s",
                flush=True,
            )
    sys.exit(failed)


if __name__ == "__main__":
    main()
