"""Cost of waiting threads: milliseconds per training step, quiet and beside a busy process.

torch's OpenMP threads wait at barriers by spinning. Each choice runs in a
process of its own, since the library reads its environment when it is loaded.
"""

import os
import subprocess
import sys

CHOICES: dict[str, dict[str, str]] = {
    "default": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "GOMP_SPINCOUNT=2000 (ours)": {"GOMP_SPINCOUNT": "2000"},
}
STEPS = 12
SECONDS = 8.0


def milliseconds_per_step() -> float:
    """Train the default tagger on random batches of 32 sentences of 46 tokens."""
    import time

    import numpy as np

    from rnn_models.batching.batch import Examples, Ragged
    from rnn_models.problem import Sizes, find_problem
    from rnn_models.training.training_state import Training

    problem = find_problem("ner")
    labels = ("O", *(f"{prefix}-{kind}" for kind in ("PER", "LOC", "ORG") for prefix in "BI"))
    training = Training(
        problem, Sizes(source=4000, target=len(labels), labels=labels), problem.defaults
    )
    random = np.random.default_rng(0)
    examples = Examples(
        Ragged.of(random.integers(4, 4000, (32, 46)).tolist()), Ragged.of([[0] * 46] * 32)
    )
    batch = examples.batch(np.arange(32))
    for _ in range(3):
        training.train_step([batch], epoch=1, num_steps=100)
    started = time.perf_counter()
    done = 0
    while done < STEPS and time.perf_counter() - started < SECONDS:
        training.train_step([batch], epoch=1, num_steps=100)
        done += 1
    return 1000 * (time.perf_counter() - started) / done


def measure(environment: dict[str, str]) -> float:
    """The same in a process with an environment of its own."""
    clean = {
        k: v
        for k, v in os.environ.items()
        if k not in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    command = [sys.executable, "-m", "benchmarks.speed.threads", "step"]
    return float(
        subprocess.run(
            command, env=clean | environment, capture_output=True, text=True, check=True
        ).stdout
    )


def main() -> None:
    """Print the table."""
    print(f"{'ms per step':<30}{'quiet':>10}{'beside a busy process':>24}")
    for name, environment in CHOICES.items():
        quiet = measure(environment)
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            print(f"{name:<30}{quiet:>10.0f}{measure(environment):>24.0f}", flush=True)
        finally:
            busy.kill()
            busy.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["step"]:
        print(milliseconds_per_step())
    else:
        main()
