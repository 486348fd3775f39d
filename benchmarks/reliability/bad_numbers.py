"""NaN and infinite numbers: in scores, comparisons, weights and trainings that diverge.

``python -m benchmarks.reliability.bad_numbers`` offers them to the promotion of every problem
under every policy, and counts those that became champion, were saved, or ended in no sentence.
``--dry`` writes nothing.
"""

import itertools
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.data.grown_store import own_mlflow
from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.outcome import finish
from rnn_models.checkpoints import checkpoint as checkpoints
from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.significance import Comparison
from rnn_models.problem import find_problem
from tasks.errors.known_errors import known_error
from tasks.ingestion.snapshot_writer import REPORT
from tasks.pages.data import PAGE
from tasks.promote import promote
from tasks.promotion.rule import Evidence, decide
from tasks.registry import mlflow_client
from tasks.scoring.outputs import BASELINES, STATISTICS
from tasks.settings import Policy, PromotionChanges, PromotionSettings, TrainChanges
from tasks.store.artifacts import Checkpoint
from tasks.task_states import directly
from tasks.train import train
from tests.tasks import served as models
from tests.tasks.served import write_outputs

COMMAND = "python -m benchmarks.reliability.bad_numbers"
BAD = (math.nan, math.inf, -math.inf)
POLICIES: tuple[Policy, ...] = get_args(Policy)
PARTS = ("ours", "theirs", "gain", "low", "high", "p_bootstrap", "p_swaps")
GOOD = {
    "ours": 90.0,
    "theirs": 80.0,
    "gain": 10.0,
    "low": 9.0,
    "high": 11.0,
    "p_bootstrap": 0.001,
    "p_swaps": 0.001,
}
RATES = (1e3, 1e18, 1e38)


def bad_evidence() -> Iterator[tuple[Policy, Evidence]]:
    """Make evidence with one bad number each, in the score or the comparison."""
    for policy, part, number, is_first in itertools.product(POLICIES, PARTS, BAD, (True, False)):
        if policy == "always" and part != "ours":
            continue  # it compares nothing
        values = GOOD | {part: number}
        found = Comparison(**values, alpha=0.05, num_examples=100, num_resamples=10_000)
        yield (
            policy,
            Evidence(
                metric=find_metric("accuracy"),
                score=found.ours,
                against="champion version 1",
                is_first=is_first,
                comparison=None if policy == "always" else found,
            ),
        )


def bad_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """Copy a model's weights with one that is not a number."""
    weights = {name: each.detach().clone() for name, each in model.named_parameters()}
    next(iter(weights.values())).view(-1)[0] = math.nan
    return weights


def write_with_baselines(folder: Path, problem: str) -> None:
    """Write outputs that are all right, and baselines that are worse."""
    write_outputs(folder, problem)
    metric = find_metric(find_problem(problem).metrics[0])
    worse = np.load(folder / STATISTICS)[metric.name]
    worse[:, 0] *= 2 if metric.is_cost else 0
    names = find_problem(problem).baselines
    np.savez(folder / BASELINES, **dict.fromkeys(names, worse))


def promoted_models() -> Iterator[tuple[str, bool]]:
    """Offer a registered version with a bad weight of every problem, under every policy."""
    for problem in models.TABLES:
        with (
            patch.object(models, "weights_of", bad_weights),
            patch.object(models, "write_outputs", write_with_baselines),
            patch.object(checkpoints, "check_finite"),
        ):
            made = models.served(problem)
        for policy in POLICIES:
            name = f"weights of {problem}, {policy}"
            error = sentence(
                lambda made=made, policy=policy: directly(  # type: ignore[misc]
                    promote,
                    made.version,
                    made.scores,
                    made.tokens,
                    PromotionChanges(policy=policy),
                )
            )
            champion = mlflow_client.version_with_alias(made.version.name, mlflow_client.CHAMPION)
            yield f"{name}: {error}", champion is not None or error.startswith("traceback")


def diverged_trainings() -> Iterator[tuple[str, bool]]:
    """Train every problem with absurd learning rates, and look at what was saved."""
    for problem, rate in itertools.product(models.TABLES, RATES):
        tokens = models.token_set_of(problem, "diverged")
        for report in (PAGE, REPORT):
            (tokens.snapshot_of().folder / report).write_text("made")
        settings: dict[str, Any] = {
            "embedding_size": 8,
            "hidden_size": 8,
            "max_epochs": 3,
            "learning_rate": rate,
            "warmup_steps": 0,
            "save_steps": 1,
        }
        chosen = TrainChanges(**settings)
        error = sentence(
            lambda tokens=tokens, chosen=chosen: directly(train, tokens, chosen)  # type: ignore[misc]
        )
        files = [*Checkpoint.folder_of(tokens.dataset, "0").parent.rglob("*.safetensors")]
        is_bad = any(not is_finite(path) for path in files if tokens.dataset in str(path))
        yield f"{problem} at {rate:g}: {error}", is_bad or error.startswith("traceback")


def is_finite(path: Path) -> bool:
    """Whether all weights of a file are finite; statistics of an optimizer may be infinite."""
    weights = {k: v for k, v in load_file(path).items() if not k.startswith("optimizer.")}
    return all(bool(torch.isfinite(each).all()) for each in weights.values())


def sentence(call: Callable[[], object]) -> str:
    """Call, and return the sentence of its error; ``traceback`` where it has none."""
    try:
        call()
    except Exception as error:
        return known_error(error) or f"traceback: {type(error).__name__}: {error}"
    return "no error"


def measure() -> list[Figure]:
    """Offer all bad numbers."""
    cases = list(bad_evidence())
    settings = {policy: PromotionSettings(policy=policy) for policy in POLICIES}
    wrong = [
        f"{policy}: {evidence}"
        for policy, evidence in cases
        if decide(evidence, settings[policy])[0]
    ]
    num = len(cases)
    with tempfile.TemporaryDirectory() as name:
        home = {"REFRAIN_HOME": str(Path(name).resolve() / "store")}
        with patch.dict(os.environ, home), own_mlflow():
            for case, is_wrong in itertools.chain(diverged_trainings(), promoted_models()):
                print(f"{'WRONG ' if is_wrong else ''}{case}", flush=True)
                num += 1
                wrong += [case] * is_wrong
    for line in wrong:
        print(f"WRONG: {line}")
    return [
        figure(
            "nan_promoted",
            len(wrong),
            unit=f"of {num} bad numbers",
            goal=0,
            better="lower",
            command=COMMAND,
            note="became champion, were saved, or ended in no sentence: scores, comparisons, "
            "weights of every problem under every policy, and trainings that diverge",
        )
    ]


if __name__ == "__main__":
    finish(measure)
