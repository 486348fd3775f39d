"""``refrain replay`` as a user types it, and the deployment of the same name."""

import json
from pathlib import Path

import pytest

from tests.refrain.commands.test_data import Screen, screen
from tests.tasks.served import Served, trained

__all__ = ["screen"]


@pytest.fixture
def reviews(mlflow_store: Path) -> Served:
    """A trained version that is champion."""
    from tasks.registry import mlflow_client

    made = trained("sentiment")
    mlflow_client.set_alias("made_sentiment", "champion", "1")
    return made


def altered(reviews: Served, folder: Path) -> str:
    """Another version of the same tags, one weight of which was changed."""
    from safetensors.numpy import load_file, save_file

    from tasks.registry import mlflow_client
    from tasks.registry.registered_model import download
    from tasks.registry.version_facts import all_facts

    files = download("made_sentiment", "1", folder / "altered")
    path = files / "artifacts" / "model" / "model.safetensors"
    weights = load_file(path)
    weights["project.bias"][0] += 0.5
    save_file(weights, path)
    client = mlflow_client.client()
    tags = all_facts(client.get_model_version("made_sentiment", "1"))
    return str(
        client.create_model_version("made_sentiment", source=files.as_uri(), tags=tags).version
    )


def test_replay_prints_identical_weights_and_exits_with_its_own_status_otherwise(
    reviews: Served, screen: Screen, tmp_path: Path
) -> None:
    output = screen.says("replay", "made_sentiment")
    assert "made_sentiment, version 1, trained again" in output
    assert "tensors are bit-identical" in output
    report = json.loads(screen.says("replay", "made_sentiment", "1", "--json"))
    assert (
        report["is_identical"],
        report["version"],
        report["num_differing"],
        report["reasons"],
    ) == (
        True,
        "1",
        0,
        [],
    )
    number = altered(reviews, tmp_path)
    output = screen.says("replay", "made_sentiment", number, status=3)
    assert "differs, by 0.5 at most, in project.bias" in output
    assert "the weights in MLflow were changed" in output
    assert "epoch 2: train loss" in output  # while it trained


def test_replay_of_an_invalid_version_is_one_line(mlflow_store: Path, screen: Screen) -> None:
    from tests.tasks.trained import versioned

    versioned("made", "key")
    for words, expected in (
        (["maed"], "there is no model 'maed': did you mean made?"),
        (["made"], "made has no champion: name a version, as in made/1"),
        (["made", "7"], "made has no version '7': expected one of 1"),
        (["made", "1"], "made version 1 cannot be trained again: it has no tag refrain.snapshot"),
    ):
        text = screen.says("replay", *words, status=1)
        assert text.startswith(f"refrain: {expected}")
        assert text.count("\n") == 1


@pytest.mark.usefixtures("engine")
def test_replay_flow_publishes_its_page_and_a_state_with_the_result(reviews: Served) -> None:
    from flows.replay import replay
    from tasks.pages.replay import replay_text
    from tasks.task_states import outcome
    from tests.flows.test_retrain import states_of
    from tests.flows.test_rollback import markdown

    made = outcome(replay("made_sentiment"))
    assert made.is_identical
    (page,) = markdown("replay-made-sentiment")
    assert page.data == replay_text(made)
    assert states_of("made_sentiment") == [("replay", "Identical")]
