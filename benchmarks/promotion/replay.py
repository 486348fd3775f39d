"""Whether a training done again has the same weights to the last bit.

``python -m benchmarks.promotion.replay`` trains a small model of each problem on real
rows (they lie in ``../shared/data``), in a store of its own, and registers it.
Then ``refrain replay`` trains each again, in a process of its own, as a person
types it. Names of datasets behind the command choose some, which are not kept.
"""

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.data.grown_store import own_mlflow
from benchmarks.data.real_sets import CATALOG, own_store
from benchmarks.lib.figures import ROOT, Figure, figure, main, write
from refrain.commands.registry import DIFFERS
from refrain.commands.training import token_set
from tasks.evaluate import evaluate
from tasks.register import register
from tasks.settings import read_settings
from tasks.task_states import directly
from tasks.train import train

COMMAND = "python -m benchmarks.promotion.replay"
# Of every problem enough for some hundred updates; how good they get is another matter.
DATASETS: dict[str, dict[str, Any]] = {
    "sst2_sentences": {"tokens": {"limit": 2_000}, "training": {"max_epochs": 3}},
    "wnut17": {
        "tokens": {"limit": 1_000},
        "training": {"max_epochs": 3, "embedding_size": 64, "hidden_size": 64},
    },
    "multi30k": {
        "tokens": {"limit": 1_000, "vocabulary_size": 1_000},
        "training": {
            "max_epochs": 2,
            "embedding_size": 64,
            "hidden_size": 64,
            "batch_size": 32,
            "beam_width": 1,
        },
    },
    "irish": {
        "training": {"max_epochs": 2, "embedding_size": 32, "hidden_size": 64, "sample_length": 100}
    },
}


def trained(name: str) -> str:
    """Train and register a model, and return its problem."""
    settings = read_settings(DATASETS[name])
    tokens = token_set(name, settings.tokens, str(CATALOG))
    checkpoint = directly(train, tokens, settings.training)
    directly(register, checkpoint, tokens, directly(evaluate, checkpoint, tokens))
    return checkpoint.problem


def replayed(name: str) -> dict[str, Any]:
    """What ``refrain replay`` says of the version."""
    words = [sys.executable, "-m", "refrain", "replay", name, "1", "--json"]
    env = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in (0, DIFFERS):
        raise RuntimeError(f"{name}: {done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def measure(names: list[str]) -> dict[str, dict[str, Any]]:
    """Train some datasets and train them again."""
    found = {}
    with own_store(), own_mlflow():
        for name in names:
            problem = trained(name)
            found[name] = replayed(name) | {"problem": problem}
            differ = (
                f"{found[name]['num_differing']:,} of {found[name]['num_weights']:,} weights differ"
            )
            print("; ".join([f"{name}, {problem}: {differ}", *found[name]["reasons"]]), flush=True)
    return found


def figures(found: dict[str, dict[str, Any]]) -> list[Figure]:
    """Whether all are the same, as a figure."""
    same = [report["is_identical"] for report in found.values()]
    threads = sorted(
        {
            fact["now"]
            for report in found.values()
            for fact in report["facts"]
            if fact["what"] == "threads"
        }
    )
    note = (
        f"{sum(same)} of {len(same)} trained again in a process of their own (threads: "
        f"{', '.join(threads)}): "
        + ", ".join(
            f"{report['problem']} (`{name}`, {report['num_weights']:,} weights)"
            for name, report in found.items()
        )
    )
    return [
        figure(
            "replay_identical",
            float(all(same)),
            unit="(1 is yes)",
            goal=1,
            better="higher",
            command=COMMAND,
            note=note,
        )
    ]


if __name__ == "__main__":
    chosen = sys.argv[1:]
    measured = figures(measure(chosen or list(DATASETS)))
    if chosen:
        print(measured[0].note)
    else:
        write("promotion", measured)
        main()
