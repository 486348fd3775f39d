"""The complete line on made-up rows, without a network."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file

from data.catalog.catalog import find_dataset
from tasks.ingestion.snapshot import make_snapshot
from tests.conftest import write_reviews

pytestmark = pytest.mark.usefixtures("engine")
PROBLEMS = ("sentiment", "ner", "translation", "regression", "generation")
TOKENS = {"vocabulary_size": 200, "min_frequency": 1}
TRAINING = {
    "embedding_size": 16,
    "hidden_size": 16,
    "max_epochs": 6,
    "learning_rate": 0.02,
    "dropout": 0.1,
    "batch_size": 8,
}
# Note by note a tune is long: some hundred updates until a model beats its trigrams.
LONGER = {"generation": {"hidden_size": 48, "max_epochs": 20, "bptt_window": 32}}


@pytest.fixture(scope="session")
def line(
    made_package: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Every problem retrained once, in a store that the tests below share."""
    folder, catalog = made_package
    home = tmp_path_factory.mktemp("line")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(home / "store"))
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_INDEX_URL", folder.as_uri())
        patch.setenv("PIP_FIND_LINKS", str(folder))
        patch.setenv("PIP_EXTRA_INDEX_URL", "")
        yield {
            "home": home / "store",
            "catalog": str(catalog),
            "first": {p: retrained(p, str(catalog)) for p in PROBLEMS},
        }


def retrained(problem: str, catalog: str, **training: Any) -> Any:
    from flows.retrain import retrain
    from tasks.task_states import outcome

    chosen = {"tokens": TOKENS, "training": TRAINING | LONGER.get(problem, {}) | training}
    return outcome(retrain(f"made_{problem}", chosen, catalog))


def fields_of(manifest: Path) -> dict[str, Any]:
    """The fields of an artifact."""
    from tasks.store.manifests import read_manifest

    found = read_manifest(manifest.parent)
    assert found
    return found.fields


def states_of(dataset: str) -> list[tuple[str, str]]:
    """Task and state name of the tasks of the latest flow run of a dataset, in their order."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort

    with get_client(sync_client=True) as client:
        where = FlowRunFilter.model_validate({"name": {"like_": f"{dataset} "}})
        latest = client.read_flow_runs(
            flow_run_filter=where, sort=FlowRunSort.START_TIME_DESC, limit=1
        )[0]
        those = FlowRunFilter.model_validate({"id": {"any_": [latest.id]}})
        runs = client.read_task_runs(
            flow_run_filter=those, sort=TaskRunSort.EXPECTED_START_TIME_ASC, limit=50
        )
    return [
        (run.name.split("-")[0], run.state_name)
        for run in sorted(runs, key=lambda run: run.start_time)
    ]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_first_model_that_beats_its_baseline_becomes_champion(
    line: dict[str, Any], problem: str
) -> None:
    from rnn_models.evaluation.metrics import find_metric
    from tasks.scoring.outputs import best_baseline
    from tasks.store.artifacts import Scores

    promotion = line["first"][problem]
    scores = Scores.find(f"made_{problem}", promotion.scores)
    assert scores is not None
    gain = find_metric(promotion.metric).gain(promotion.challenger_score, best_baseline(scores)[1])
    assert promotion.is_promoted == (gain > 0)
    assert ("champion" in promotion.aliases) == promotion.is_promoted


def test_sentiment_of_made_up_reviews_is_learned(line: dict[str, Any]) -> None:
    assert line["first"]["sentiment"].challenger_score > 90


def test_second_run_does_nothing_and_its_states_are_unchanged(
    line: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.inference import isolation

    monkeypatch.setattr(isolation, "MAIN", Path("no process is started"))
    again = retrained("sentiment", line["catalog"])
    stages = ["ingest", "tokenize", "train", "evaluate", "register", "promote"]
    assert states_of("made_sentiment") == [(stage, "Unchanged") for stage in stages]
    assert again.version == line["first"]["sentiment"].version


def test_killed_training_resumes_and_ends_with_the_same_weights(
    line: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.registry.tracked_run import MetricPoints
    from tasks.store.artifacts import Checkpoint

    def killed(self: Any, epoch: Any) -> None:
        raise KeyboardInterrupt

    straight = retrained("ner", line["catalog"], seed=7, max_epochs=2)
    whole = Checkpoint.find("made_ner", checkpoint_of(straight))
    assert whole is not None
    expected = load_file(whole.folder / "model.safetensors")
    for path in whole.folder.iterdir():
        path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(MetricPoints, "add_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            retrained("ner", line["catalog"], seed=7, max_epochs=2)
    assert {path.name for path in whole.folder.iterdir()} == {"mlflow_run", "resume.safetensors"}
    retrained("ner", line["catalog"], seed=7, max_epochs=2)
    found = load_file(whole.folder / "model.safetensors")
    assert all(bool((found[name] == expected[name]).all()) for name in expected)


def checkpoint_of(promotion: Any) -> str:
    from tasks.store.artifacts import Scores

    scores = Scores.find(promotion.dataset, promotion.scores)
    assert scores is not None
    return scores.checkpoint


def test_worse_challenger_keeps_the_champion(line: dict[str, Any]) -> None:
    from tasks.registry import mlflow_client

    champion = line["first"]["sentiment"].version
    promotion = retrained("sentiment", line["catalog"], learning_rate=0.0, max_epochs=1)
    assert not promotion.is_promoted
    assert promotion.champion_score == pytest.approx(line["first"]["sentiment"].challenger_score)
    assert mlflow_client.version_with_alias("made_sentiment", "champion") == champion
    assert (
        mlflow_client.version_with_alias("made_sentiment", "challenger")
        == promotion.version
        != champion
    )


@pytest.fixture
def scored_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score champions in this process: the test of a worse challenger starts the separate one."""
    from tasks.inference import isolation
    from tasks.registry.registered_model import Loaded

    def answers(name: str, number: str, calls: Any) -> isolation.Answers:
        loaded = Loaded.of(name, number)
        return isolation.Answers([loaded.predict(rows, dict(params)) for rows, params in calls])

    monkeypatch.setattr(isolation, "run_apart", answers)


@pytest.mark.usefixtures("scored_here")
def test_retraining_does_not_undo_a_rollback(line: dict[str, Any]) -> None:
    from tasks.promotion.champions import roll_back
    from tasks.promotion.ledger import Ledger
    from tasks.registry import mlflow_client

    better = line["first"]["sentiment"].version
    worse = retrained("sentiment", line["catalog"], learning_rate=0.0, max_epochs=1).version
    roll_back("made_sentiment", worse, "calls all irony praise")
    for _ in range(2):
        again = retrained("sentiment", line["catalog"])
        assert (again.version, again.is_promoted) == (better, False)
        assert "was rolled back" in again.reason
        assert mlflow_client.version_with_alias("made_sentiment", "champion") == worse
    roll_back("made_sentiment", better)
    assert retrained("sentiment", line["catalog"]).aliases == ["champion"]
    assert [made.event for made in Ledger.of("made_sentiment").lines[-3:]] == [
        "rolled back",
        "kept",
        "rolled back",
    ]


def test_version_and_flow_run_page_link_to_each_other(line: dict[str, Any]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from tasks.promotion.ledger import Ledger
    from tasks.registry.mlflow_client import run_link, version_link
    from tasks.registry.version_facts import all_facts
    from tasks.registry.versions import check_complete

    first = line["first"]["ner"]
    tags = all_facts(check_complete("made_ner", first.version))
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(tags["refrain.flow_run"])
        where = ArtifactFilter(
            key=ArtifactFilterKey(any_=["version-made-ner", "promotion-made-ner"])
        )
        pages = [
            each
            for each in client.read_artifacts(artifact_filter=where)
            if each.flow_run_id == flow_run.id
        ]
    assert re.fullmatch(r"made_ner \d{4}-\d\d-\d\d \d\d:\d\d command line", flow_run.name)
    name = "Promoted" if first.is_promoted else "Not promoted"
    assert (flow_run.state_name, flow_run.state.message) == (name, first.reason)
    assert "null" not in json.dumps(flow_run.parameters)
    assert tags["refrain.flow_run_url"].endswith(f"/runs/flow-run/{flow_run.id}")
    assert {page.key for page in pages} == {"version-made-ner", "promotion-made-ner"}
    for page in pages:
        assert version_link("made_ner", first.version) in page.data
        assert run_link(first.mlflow_run) in page.data
    (decided,) = [made for made in Ledger.of("made_ner").lines if made.decision == first.digest]
    assert (decided.flow_run, decided.version, decided.why) == (
        str(flow_run.id),
        first.version,
        first.reason,
    )


@pytest.mark.parametrize("problem", PROBLEMS)
def test_registered_model_predicts_raw_text_as_evaluated(
    line: dict[str, Any], problem: str
) -> None:
    from tasks.registry.registered_model import Loaded
    from tasks.store.artifacts import Scores

    promotion = line["first"][problem]
    scores = Scores.find(f"made_{problem}", promotion.scores)
    assert scores is not None
    samples = (
        scores.folder / "samples.parquet"
    )  # of a model that generates texts from a label alone
    expected = pd.read_parquet(
        samples if samples.exists() else scores.folder / "outputs.parquet"
    ).head(20)
    request = {
        "text": [text if isinstance(text, str) else " ".join(text) for text in expected["source"]]
    }
    if samples.exists():
        request = {"text": [""] * 20, "label": request["text"]}
    found = (
        Loaded.of(f"made_{problem}", promotion.version)
        .predict(pd.DataFrame(request), None)
        .iloc[:, 0]
    )
    answers, outputs = (
        [x if isinstance(x, str | float) else list(x) for x in column]
        for column in (found, expected["output"])
    )
    # Alone or in a larger batch, a number may differ in its last bits.
    assert answers == (pytest.approx(outputs) if problem == "regression" else outputs)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_champion_passed_the_parity_check_in_a_separate_process(
    line: dict[str, Any], problem: str
) -> None:
    from tasks.registry.mlflow_client import client
    from tasks.registry.version_facts import all_facts

    promotion = line["first"][problem]
    info = client().get_model_version(f"made_{problem}", promotion.version)
    assert len(info.tags) <= 15
    tags = all_facts(info)
    assert ("refrain.parity_rows" in tags) == promotion.is_promoted
    if promotion.is_promoted:
        assert int(tags["refrain.parity_rows"]) > 20
        assert float(tags["refrain.rows_per_second"]) > 0


@pytest.mark.parametrize("problem", PROBLEMS)
def test_version_has_a_card_with_the_decision(line: dict[str, Any], problem: str) -> None:
    from tasks.pages.markdown import cell
    from tasks.registry.mlflow_client import client
    from tasks.registry.version_facts import all_facts

    promotion = line["first"][problem]
    made = client().get_model_version(f"made_{problem}", promotion.version)
    assert (
        f"Decision: {cell(all_facts(made)['refrain.decision.reason'])}" in made.description
    )  # the newest: one may be rolled back
    assert "| licence of the data&emsp; | ours |" in made.description
    assert f"models:/made_{problem}/{promotion.version}" in made.description


def test_predict_flow_answers_files_and_is_unchanged_on_the_second_run(
    line: dict[str, Any], tmp_path: Path
) -> None:
    from flows.predict import predict
    from tasks.task_states import outcome

    rows = pd.DataFrame({"text": ["lumo ta grak", "grak ta lumo", ""]})
    rows.to_csv(tmp_path / "texts.csv", index=False)
    for last in ("Completed", "Unchanged"):
        output = outcome(
            predict("made_sentiment", str(tmp_path / "texts.csv"), str(tmp_path / "out"))
        )
        assert (output.rows, output.refused) == (2, 1)
        assert states_of("made_sentiment") == [("choose", "Completed"), ("predict", last)]
    assert pd.read_parquet(tmp_path / "out")["label"].tolist() == ["neg", "pos"]


def test_generator_is_scored_by_bits_per_character_and_its_samples_are_checked(
    line: dict[str, Any],
) -> None:
    from tasks.store.artifacts import Scores

    promotion = line["first"]["generation"]
    scores = Scores.find("made_generation", promotion.scores)
    assert scores is not None
    assert list(scores.metrics) == ["bits_per_character", "perplexity", "valid_texts"]
    assert set(scores.baselines) == {"unigram", "bigram", "trigram", "fourgram", "fivegram"}
    drawn = pd.read_parquet(scores.folder / "samples.parquet")
    assert len(drawn) == 100
    assert scores.metrics["valid_texts"]["value"] == (drawn["faults"] == "").sum()
    assert set(drawn["source"]) == {"6/8", "2/4"}


@pytest.mark.usefixtures("scored_here")
def test_generator_champion_is_scored_again_and_the_lower_cost_wins(
    line: dict[str, Any],
) -> None:
    first = line["first"]["generation"]
    assert first.is_promoted
    worse = retrained("generation", line["catalog"], max_epochs=1, learning_rate=0.001)
    assert not worse.is_promoted
    assert worse.champion_score == pytest.approx(first.challenger_score, rel=1e-4)
    assert worse.champion_score < worse.challenger_score


def test_no_file_of_a_registered_model_is_a_pickle(line: dict[str, Any]) -> None:
    endings = {path.suffix for path in (line["home"] / "mlartifacts").rglob("*") if path.is_file()}
    assert not endings & {".pkl", ".pickle", ".pt", ".pth", ".bin"}
    assert ".safetensors" in endings


def test_mlflow_has_metrics_data_and_figures_of_a_run(line: dict[str, Any]) -> None:
    from tasks.registry.mlflow_client import client

    run_id = line["first"]["translation"].mlflow_run
    run = client().get_run(run_id)
    shown = {
        "train/loss",
        "train/gradient_norm",
        "train/clipped_share",
        "validation/loss",
        "test/bleu",
        "test/bleu_low",
    }
    assert shown <= set(run.data.metrics)
    assert {item.dataset.name for item in run.inputs.dataset_inputs} >= {
        "made_translation-train",
        "made_translation-test",
    }
    assert {item.path for item in client().list_artifacts(run_id)} >= {
        "figures",
        "outputs.json",
        "history.json",
    }
    assert "tok:13a" in run.data.tags["refrain.signature.bleu"]
    assert run.info.status == "FINISHED"


def test_mlflow_has_the_digest_of_each_split_and_the_report_of_the_data(
    line: dict[str, Any], tmp_path: Path
) -> None:
    from tasks.registry.mlflow_client import client
    from tasks.store.artifacts import Checkpoint, TokenSet

    checkpoint = Checkpoint.find("made_ner", checkpoint_of(line["first"]["ner"]))
    assert checkpoint is not None
    tokens = TokenSet.find("made_ner", checkpoint.tokens)
    assert tokens is not None
    snapshot = tokens.snapshot_of()
    inputs = {
        each.tags[0].value: each.dataset
        for each in client().get_run(checkpoint.mlflow_run).inputs.dataset_inputs
    }
    assert {split: each.digest for split, each in inputs.items()} == snapshot.splits
    assert {
        split: json.loads(each.profile)["num_rows"] for split, each in inputs.items()
    } == tokens.rows
    for name in ("report.html", "report.json"):
        kept = client().download_artifacts(checkpoint.mlflow_run, f"data/{name}", str(tmp_path))
        assert Path(kept).read_bytes() == (snapshot.folder / name).read_bytes()


def test_the_page_of_a_flow_run_shows_the_report_of_the_data(line: dict[str, Any]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from tasks.pages.data import page
    from tasks.store.artifacts import Snapshot

    where = ArtifactFilter(key=ArtifactFilterKey(any_=["data-made-translation"]))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=where)
    manifest = next((line["home"] / "snapshots").glob("made_translation-*/manifest.json"))
    snapshot = Snapshot(**fields_of(manifest))
    assert [each.type for each in found] == ["markdown"]
    assert all(each.flow_run_id and each.task_run_id for each in found)
    assert found[0].data == page(find_dataset("made_translation", Path(line["catalog"])), snapshot)


@pytest.fixture(scope="module")
def growing(line: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A dataset that grew after its first snapshot and was retrained on the first."""
    folder = tmp_path_factory.mktemp("growing")
    made = yaml.safe_load(Path(line["catalog"]).read_text())["made_sentiment"]
    catalog = folder / "catalog.yaml"
    catalog.write_text(
        yaml.safe_dump(
            {"made_growing": made | {"source": {"kind": "files", "paths": {"all": "rows.csv"}}}}
        )
    )
    snapshots = []
    for num in (100, 140):
        write_reviews(folder / "rows.csv", num)
        snapshots.append(make_snapshot(find_dataset("made_growing", catalog))[0])
    return {
        "catalog": str(catalog),
        "snapshots": snapshots,
        "promotion": grown_again(str(catalog), snapshots[0].digest[:6]),
    }


def grown_again(catalog: str, snapshot: str) -> Any:
    from flows.retrain import retrain
    from tasks.task_states import outcome

    chosen = {"tokens": TOKENS, "training": TRAINING | {"max_epochs": 1}}
    return outcome(retrain("made_growing", chosen, catalog, snapshot=snapshot))


def test_older_snapshot_is_retrained_by_a_prefix_of_its_digest(
    growing: dict[str, Any],
) -> None:
    from tasks.maintenance.snapshot_overview import list_snapshots
    from tasks.store.artifacts import Scores

    first, second = growing["snapshots"]
    scores = Scores.find("made_growing", growing["promotion"].scores)
    assert scores is not None
    assert scores.test_split == first.splits["test"] != second.splits["test"]
    output = {row["snapshot"]: row["versions"] for row in list_snapshots("made_growing")}
    assert output[second.digest] == []
    assert [version.split(" (")[0] for version in output[first.digest]] == ["version 1"]


def test_flow_run_after_prune_is_unchanged(growing: dict[str, Any]) -> None:
    from tasks.maintenance.prune import find_prunable, prune
    from tasks.store.artifacts import Checkpoint

    leftover = Checkpoint.folder_of("made_growing", "0" * 16)
    leftover.mkdir(parents=True)
    found = find_prunable(["made_growing"], days=0)
    assert [item.path for item in found] == [leftover]
    prune(found)
    grown_again(growing["catalog"], growing["snapshots"][0].digest)
    assert {state for _, state in states_of("made_growing")} == {"Unchanged"}
    assert len(states_of("made_growing")) == 6


def test_every_row_is_kept_or_rejected_with_its_reason(line: dict[str, Any]) -> None:
    from tasks.store.artifacts import Snapshot

    manifest = next((line["home"] / "snapshots").glob("made_sentiment-*/manifest.json"))
    snapshot = Snapshot(**fields_of(manifest))
    assert sum(snapshot.rows.values()) == 400
    assert snapshot.rows.get("refused", 0) == sum(snapshot.reasons.values())


def test_versions_with_different_code_predict_in_one_process(tmp_path: Path) -> None:
    import mlflow

    for word in ("first", "second"):
        package = tmp_path / word / f"refrain_{word}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"WORD = {word!r}\n")
        code = tmp_path / word / "serving.py"
        code.write_text(
            f"import mlflow\nfrom refrain_{word} import WORD\n"
            "class M(mlflow.pyfunc.PythonModel):\n"
            "    def predict(self, context, model_input, params=None):\n"
            "        return [WORD] * len(model_input)\n"
            "mlflow.models.set_model(M())\n"
        )
        sys.path.insert(0, str(tmp_path / word))
        model = {"python_model": str(code), "code_paths": [str(package)], "pip_requirements": []}
        mlflow.pyfunc.save_model(tmp_path / f"model-{word}", **model)
        sys.path.remove(str(tmp_path / word))
        del sys.modules[f"refrain_{word}"]
    models = [
        mlflow.pyfunc.load_model(str(tmp_path / f"model-{word}")) for word in ("first", "second")
    ]
    output = [model.predict(pd.DataFrame({"text": ["x"]}))[0] for model in models]
    assert output == ["first", "second"]
