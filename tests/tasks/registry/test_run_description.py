"""What a person reads of a run in MLflow."""

from dataclasses import asdict, replace
from pathlib import Path
from uuid import UUID

import pytest

from rnn_models.problem import find_problem
from tasks.registry import mlflow_client
from tasks.registry.run_description import NOTE, describe_run, run_name, run_parameters
from tasks.registry.run_inputs import digest_of_rows
from tasks.registry.training_run import start_run
from tasks.store.artifacts import TokenSet
from tests.tasks.served import token_set_of

FLOW_RUN = "01234567-89ab-cdef-0123-456789abcdef"


def settings_of(problem: str, **changes: object) -> dict[str, object]:
    return asdict(find_problem(problem).defaults) | changes


def test_a_run_is_named_by_dataset_snapshot_and_what_differs(store: Path) -> None:
    tokens = token_set_of("sentiment", "0123456789abcdef")
    name = "made_sentiment 01234567"
    assert run_name(tokens, settings_of("sentiment")) == name
    # Sentiment has no beam.
    changed = settings_of("sentiment", hidden_size=7, beam_width=9)
    assert run_name(tokens, changed) == f"{name}, hidden_size 7"
    many = settings_of("sentiment", hidden_size=7, seed=5, dropout=0.9, max_epochs=99)
    assert run_name(tokens, many).endswith(", 2 more")


@pytest.mark.parametrize("problem", ["sentiment", "ner", "translation", "generation"])
def test_parameters_that_differ_come_first_and_those_of_other_problems_never(
    store: Path, problem: str
) -> None:
    tokens = token_set_of(problem, "0123456789abcdef")
    found = run_parameters(tokens, settings_of(problem, seed=77))
    assert next(iter(found.items())) == ("seed", "77")
    assert ("beam_width" in found) == (problem == "translation")
    assert ("tag_scheme" in found) == (problem == "ner")
    # A replay makes the token set again from these.
    assert {f"tokens.{name}" for name in tokens.settings} <= set(found)


def test_a_run_has_its_flow_run_commit_version_and_user(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", FLOW_RUN)
    tokens = token_set_of("sentiment", "0123456789abcdef")
    settings = settings_of("sentiment", hidden_size=7)
    run_id = start_run(tokens, settings, {"refrain.precision": "float32"})
    run = mlflow_client.client().get_run(run_id)
    tags = run.data.tags
    assert tags["refrain.flow_run"] == str(UUID(FLOW_RUN))
    assert tags["refrain.flow_run_url"].endswith(FLOW_RUN)
    assert {"mlflow.user", "refrain.version", "refrain.snapshot", "refrain.tokens"} <= set(tags)
    assert f"[Flow run]({tags['refrain.flow_run_url']})" in tags[NOTE]
    assert "differ from the defaults: `hidden_size` 7" in tags[NOTE]
    describe_run(run_id, tokens, settings, ["**Promoted.**"])
    written = mlflow_client.client().get_run(run_id).data.tags[NOTE]
    assert written == f"**Promoted.**\n\n{tags[NOTE]}"


def limited(tokens: TokenSet, limit: int) -> TokenSet:
    return replace(tokens, limit=limit)


def test_a_limited_run_has_the_digest_of_the_rows_that_it_reads(store: Path) -> None:
    tokens = token_set_of("sentiment", "0123456789abcdef")
    snapshot = tokens.snapshot_of()
    digests = [digest_of_rows(limited(tokens, limit), snapshot, "train") for limit in (0, 5, 6, 18)]
    assert digests[0] == digests[3] == snapshot.splits["train"]
    assert len(set(digests)) == 3
    assert digests[1] == digest_of_rows(limited(tokens, 5), snapshot, "train")
    assert digest_of_rows(limited(tokens, 5), snapshot, "test") == snapshot.splits["test"]
