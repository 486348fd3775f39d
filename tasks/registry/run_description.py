"""What a person reads of an MLflow run: its name, its description, its tags and its parameters."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from data.text.settings import default_settings
from rnn_models.problem import Problem, find_problem
from tasks.registry.lineage import FLOW_RUN_URL, flow_run_now, git_commit, parent_flow_run, person
from tasks.registry.mlflow_client import client, set_tags
from tasks.store.artifacts import TokenSet
from tasks.store.installation import DISTRIBUTION
from tasks.store.used_settings import used_settings

NOTE = "mlflow.note.content"  # MLflow shows it as the description, in Markdown
COMMIT = "mlflow.source.git.commit"
DIGITS = 8  # of a snapshot's digest in a name
IN_NAME = 2  # settings in a name
MAX_CHARACTERS = 5000  # of a value in MLflow's database


def changed_settings(tokens: TokenSet, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from the defaults, those of tokens as ``tokens.NAME``."""
    problem = find_problem(tokens.problem)
    used = used_settings(problem.name)
    defaults = asdict(problem.defaults)
    found = {
        name: value
        for name, value in settings.items()
        if name in used and value != defaults.get(name)
    }
    of_tokens = asdict(_token_defaults(tokens, problem))
    return found | {
        f"tokens.{name}": value
        for name, value in tokens.settings.items()
        if value != of_tokens.get(name)
    }


def _token_defaults(tokens: TokenSet, problem: Problem) -> Any:
    return default_settings(tokens.tokenizer, is_generated=problem.rows[-1] == "text")


def run_name(tokens: TokenSet, settings: Mapping[str, Any]) -> str:
    """Name a run by its dataset, its snapshot and the settings that differ from the defaults."""
    changed = changed_settings(tokens, settings)
    words = [
        f"{name.removeprefix('tokens.')} {value}" for name, value in [*changed.items()][:IN_NAME]
    ]
    if len(changed) > IN_NAME:
        words.append(f"{len(changed) - IN_NAME} more")
    return ", ".join([f"{tokens.dataset} {tokens.snapshot[:DIGITS]}", *words])


def run_parameters(tokens: TokenSet, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a run that its problem reads, those that differ first."""
    used = used_settings(tokens.problem)
    known = {name: value for name, value in settings.items() if name in used}
    known |= {f"tokens.{name}": value for name, value in tokens.settings.items()}
    # A dictionary keeps the first place of a key.
    first = changed_settings(tokens, settings) | {
        "snapshot": tokens.snapshot,
        "train_rows": tokens.rows.get("train", 0),
        "tokenizer": tokens.tokenizer,
    }
    return {name: str(value) for name, value in (first | known).items()}


def run_tags(tokens: TokenSet) -> dict[str, str]:
    """Return the tags of a run that begins now, without unknown ones."""
    run_id, url = flow_run_now()
    user, _, machine = person().partition("@")
    tags = {
        "refrain.problem": tokens.problem,
        "refrain.snapshot": tokens.snapshot,
        "refrain.tokens": tokens.digest,
        "refrain.flow_run": run_id,
        FLOW_RUN_URL: url,
        "refrain.parent_flow_run": parent_flow_run(),
        "refrain.version": version(DISTRIBUTION),
        "refrain.machine": machine,
        "mlflow.user": user,
        "mlflow.source.name": "refrain",
        "mlflow.source.type": "LOCAL",
        COMMIT: git_commit(),
    }
    return {name: value for name, value in tags.items() if value}


def description(
    tokens: TokenSet,
    settings: Mapping[str, Any],
    tags: Mapping[str, str],
    results: Iterable[str] = (),
) -> str:
    """Describe a run in Markdown: its results so far, its data, its settings and its origin."""
    problem = find_problem(tokens.problem)
    rows = {split: f"{num:,}" for split, num in tokens.rows.items()}
    changed = [f"`{name}` {value}" for name, value in changed_settings(tokens, settings).items()]
    commit = tags.get(COMMIT, "")
    origin = [
        *([f"[Flow run]({tags[FLOW_RUN_URL]})"] if tags.get(FLOW_RUN_URL) else []),
        *([f"commit `{commit[:12]}`"] if commit else []),
        f"Refrain {tags.get('refrain.version', version(DISTRIBUTION))}",
        f"by {tags.get('mlflow.user', 'nobody')} on {tags.get('refrain.machine', 'a machine')}",
    ]
    parts = [
        *results,
        f"Training of **{tokens.dataset}** ({problem.name}: {problem.output.shape}) on "
        f"{rows.get('train', 0)} rows of snapshot `{tokens.snapshot}`; "
        f"{rows.get('validation', 0)} rows validate, {rows.get('test', 0)} test.",
        f"Settings that differ from the defaults: {', '.join(changed) or 'none'}.",
        ", ".join(origin) + ".",
    ]
    return "\n\n".join(parts)[:MAX_CHARACTERS]


def describe_run(
    run_id: str, tokens: TokenSet, settings: Mapping[str, Any], results: Iterable[str]
) -> None:
    """Write the description of a run again, with results."""
    tags = client().get_run(run_id).data.tags
    set_tags(run_id, {NOTE: description(tokens, settings, tags, results)})
