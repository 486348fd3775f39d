"""Checkpoint to model version: a model that takes raw text, and loads where this repository is not."""

import logging

import pandas as pd
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from rnn_models.metrics import find_metric
from rnn_models.problem import find_problem
from tasks import registry
from tasks.answers import defaults_of
from tasks.artifacts import Checkpoint, ModelVersion, Scores, TokenSet
from tasks.evaluate import best_baseline
from tasks.models import log_model
from tasks.packing import needed_libraries, pack_code, pack_model, served_modules
from tasks.states import unchanged

log = logging.getLogger(__name__)


@task(task_run_name="register-{checkpoint.dataset}", cache_policy=NO_CACHE)
def register(checkpoint: Checkpoint, tokens: TokenSet, scores: Scores) -> ModelVersion:
    """Register a model under its dataset's name, once, as ``challenger``."""
    name, run_id = checkpoint.dataset, checkpoint.mlflow_run
    number = registry.find_version(name, scores.digest)
    if number:
        return unchanged(ModelVersion(name, number, run_id, scores.digest))
    with registry.staging() as folder:
        code, package = pack_code(checkpoint.problem, folder)
        files = pack_model(checkpoint, tokens, folder / "model")
        rows, target = raw_rows(tokens.snapshot_of().table("test").slice(0, 1), tokens)
        model = log_model(
            run_id, code, files, package, target=target, example=rows, asked=defaults_of(target, checkpoint.settings),
            libraries=needed_libraries(served_modules(checkpoint.problem)),
        )  # fmt: skip
    made = ModelVersion(name, "", run_id, scores.digest)
    number = registry.register(model, made, version_tags(checkpoint, scores))
    log.info("registered %s version %s, challenger", name, number)
    return ModelVersion(name, number, run_id, scores.digest)


def raw_rows(table: pa.Table, tokens: TokenSet) -> tuple[pd.DataFrame, str]:
    """What a model is given of some rows, raw, and the name of what it says: of a text that is said, its label goes with it."""
    source, target = ["", *find_problem(tokens.problem).sides(table.column_names)][-2:]
    if target == "text":
        return table.to_pandas(), target
    rows = table[source].to_pylist()
    if target != "tags":
        return pd.DataFrame({"text": rows}), target
    joint = "" if tokens.tokenizer == "characters" else " "  # a version of before tokens were taken reads the text
    return pd.DataFrame({"text": [joint.join(row) for row in rows], "tokens": rows}), target


def version_tags(checkpoint: Checkpoint, scores: Scores) -> dict[str, str]:
    """What a version tells about itself."""
    name, baseline = best_baseline(scores)
    head = scores.metrics[scores.headline]
    return {
        "refrain.problem": checkpoint.problem,
        "refrain.checkpoint": checkpoint.digest,
        "refrain.tokens": checkpoint.tokens,
        "refrain.test_split": scores.test_split,
        "refrain.metric": find_metric(scores.headline).title,
        "refrain.score": f"{head['value']:.4f}",
        "refrain.interval": f"{head['low']:.2f} to {head['high']:.2f}",
        "refrain.baseline": f"{name} {baseline:.2f}",
    }
