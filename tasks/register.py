"""Checkpoint to model version: a model that takes raw rows, and loads without this repository."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import find_problem
from tasks.pages.model_card import data_tags, keep_card
from tasks.pages.model_page import keep_model_page
from tasks.pages.version import version_page
from tasks.registry import mlflow_client
from tasks.registry.lineage import lineage_tags
from tasks.registry.registered_model import log_model
from tasks.registry.version_facts import keep_facts, parted, read_facts, write_facts
from tasks.registry.version_files import FILES, recorded_files, restore
from tasks.registry.versions import (
    LOGGED_AT,
    PROBLEM,
    SCORES,
    check_complete,
    delete_leftovers,
    fault_of_version,
    find_version,
    make_version,
    model_id_of,
    set_challenger,
)
from tasks.scoring.outputs import best_baseline
from tasks.scoring.raw_rows import raw_rows
from tasks.serving.packing import needed_libraries, pack_code, pack_model, served_modules
from tasks.serving.predict_table import defaults_of
from tasks.store.artifacts import Checkpoint, ModelVersion, Scores, TokenSet
from tasks.store.checksums import FileSum, file_sum
from tasks.store.code import digest
from tasks.store.locks import lock_scope, locked
from tasks.store.lookup import begin_work
from tasks.store.sealed import DamagedError
from tasks.task_states import unchanged

log = logging.getLogger(__name__)


@task(task_run_name="register-{checkpoint.dataset}", cache_policy=NO_CACHE)
def register(
    checkpoint: Checkpoint, tokens: TokenSet, scores: Scores, catalog: str | None = None
) -> ModelVersion:
    """Register a model under its dataset's name, once, as ``challenger``, with a model card."""
    name = checkpoint.dataset
    about = score_tags(checkpoint, scores) | data_tags(name, catalog)
    with mlflow_client.staging() as folder, locked("versions", name):
        code, package = pack_code(checkpoint.problem, folder)
        key = version_key(checkpoint, package.name)
        found = find_version(name, key)
        delete_leftovers(name, checkpoint.mlflow_run, lock_scope())
        number = found or make(checkpoint, tokens, key=key, code=code, package=package, about=about)
        if found:
            mend(checkpoint, tokens, found, code=code, package=package)
        tags = keep_facts(name, number, about)
        set_challenger(name, number)
        made = ModelVersion(name, number, checkpoint.mlflow_run, scores.digest)
        keep_card(made, tokens, scores)
        keep_model_page(name, checkpoint.problem, tags)
    version_page(made, tags)
    return unchanged(made) if found else made


def make(
    checkpoint: Checkpoint,
    tokens: TokenSet,
    *,
    key: str,
    code: Path,
    package: Path,
    about: Mapping[str, str],
) -> str:
    """Log a model with MLflow, make a version with tags, and return its number."""
    begin_work()
    files, model_id = logged(checkpoint, tokens, code, package)
    tags, others = parted(lineage_tags(checkpoint, tokens, package.name) | dict(about))
    write_facts(model_id, others)
    number = make_version(
        checkpoint.dataset, key, model_id, checkpoint.mlflow_run, tags=tags, files=files
    )
    log.info("registered %s version %s, challenger", checkpoint.dataset, number)
    return number


def mend(
    checkpoint: Checkpoint, tokens: TokenSet, number: str, *, code: Path, package: Path
) -> None:
    """Restore the files of a version from its checkpoint, if one is damaged."""
    name = checkpoint.dataset
    info = check_complete(name, number)
    mend_facts(model_id_of(info), lineage_tags(checkpoint, tokens, package.name))
    fault = fault_of_version(info)
    if not fault:
        return
    begin_work()
    log.warning("damaged: %s. It is made again, for version %s", fault, number)
    _, fresh = logged(checkpoint, tokens, code, package)
    files = restore(model_id_of(info), fresh, recorded_files(info.tags))
    mlflow_client.set_version_tag(name, number, FILES, json.dumps(files))
    mlflow_client.delete_model(fresh)


def mend_facts(model_id: str, facts: Mapping[str, str]) -> None:
    """Write the facts of a version again, as they are known now, if their file is damaged."""
    try:
        read_facts(model_id)
    except DamagedError as error:
        log.warning("damaged: %s. It is made again", error)
        write_facts(model_id, parted(facts)[1])


def version_key(checkpoint: Checkpoint, code: str) -> str:
    """Digest what makes two versions the same: the checkpoint and the code that serves it.

    The scores are not part of it: other code that scores makes no other model,
    and the version keeps the newer scores.
    """
    return digest(checkpoint.digest, code)


def logged(
    checkpoint: Checkpoint, tokens: TokenSet, code: Path, package: Path
) -> tuple[dict[str, FileSum], str]:
    """Log a model with MLflow.

    Returns:
        The files that MLflow must keep, with their sizes and digests, and the model's id.
    """
    files = pack_model(checkpoint, tokens, package.parent / "model")
    kind = find_problem(checkpoint.problem).output
    model = log_model(
        checkpoint.mlflow_run,
        code,
        files,
        package,
        kind=kind,
        example=raw_rows(tokens.snapshot_of().table("test").slice(0, 1), tokens),
        parameters=defaults_of(kind, checkpoint.settings),
        libraries=needed_libraries(served_modules(checkpoint.problem)),
        tags={LOGGED_AT: lock_scope()},
    )
    kept = {"artifacts": files, "code": package}
    return {
        f"{name}/{path.relative_to(folder.parent).as_posix()}": file_sum(path)
        for name, folder in kept.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }, str(model.model_id)


def score_tags(checkpoint: Checkpoint, scores: Scores) -> dict[str, str]:
    """Make the tags of a version that show its scores."""
    name, baseline = best_baseline(scores)
    head = scores.metrics[scores.headline]
    return {
        PROBLEM: checkpoint.problem,
        SCORES: scores.digest,
        "refrain.test_split": scores.test_split,
        "refrain.metric": find_metric(scores.headline).title,
        "refrain.score": f"{head['value']:.4f}",
        "refrain.interval": f"{head['low']:.2f} to {head['high']:.2f}",
        "refrain.signature": head["signature"],
        "refrain.baseline": f"{name} {baseline:.2f}",
    }
