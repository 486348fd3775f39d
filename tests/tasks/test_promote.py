"""A decision on a challenger: the comparison, its record, and the aliases."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnn_models.evaluation.baselines import majority
from rnn_models.evaluation.metrics import find_metric
from tasks import promote as stage
from tasks.pages.promotion import promotion_text
from tasks.promote import promote
from tasks.promotion import evidence
from tasks.registry import mlflow_client
from tasks.settings import PromotionChanges
from tasks.store.artifacts import Checkpoint, ModelVersion, Promotion, Scores, Snapshot, TokenSet
from tasks.store.code import digest
from tasks.task_states import directly
from tests.tasks.trained import registered

pytestmark = pytest.mark.usefixtures("mlflow_store")
NUM = 400
REFERENCES = {
    "sentiment": ["pos" if i % 2 else "neg" for i in range(NUM)],
    "ner": [["B-PER", "O"] if i % 4 else ["O", "B-ORG"] for i in range(NUM)],
    "generation": ["lumo sela"] * NUM,
    "translation": ["カサタナ" + "アイウエオ"[i % 5] + "ヌネノ" for i in range(NUM)],
}
WRONG = {"sentiment": {"pos": "neg", "neg": "pos"}, "ner": {"B-PER": "O", "B-ORG": "O", "O": "O"}}
HEADLINE = {
    "sentiment": "accuracy",
    "ner": "span_f1",
    "generation": "bits_per_character",
    "translation": "bleu",
}


def with_faults(problem: str, places: Sequence[int]) -> list[Any]:
    """Correct answers with some errors."""
    answers = list(REFERENCES[problem])
    for place in places:
        row = answers[place]
        answers[place] = (
            WRONG[problem][row] if isinstance(row, str) else [WRONG[problem][tag] for tag in row]
        )
    return answers


def nats(cost: float) -> list[Any]:
    """Token costs of each text near a given value."""
    return [np.full(10, cost) + 0.001 * np.sin(i) for i in range(NUM)]


class Made:
    """The inputs of a decision on a challenger, made without a training."""

    def __init__(
        self,
        problem: str,
        predictions: list[Any],
        baseline_predictions: list[Any],
        *,
        is_joined: bool = False,
        name: str = "made",
        tokenizer: str = "",
    ) -> None:
        metric, references = (
            find_metric(HEADLINE[problem], tokenizer=tokenizer),
            REFERENCES[problem],
        )
        key = digest(problem, str(predictions), name)
        columns = {
            "sentiment": ("text", "label"),
            "ner": ("tokens", "tags"),
            "generation": ("text",),
            "translation": ("source", "target"),
        }[problem]
        sides = {
            "text": ["lumo"] * NUM,
            "tokens": [["lumo", "sela"]] * NUM,
            "source": ["lumo"] * NUM,
        } | {columns[-1]: references}
        self.snapshot = Snapshot(
            dataset=name, digest=digest(problem), rows={}, splits={"test": "t"}, reasons={}
        )
        self.tokens = TokenSet(
            dataset=name,
            digest=digest(problem),
            problem=problem,
            tokenizer="words",
            snapshot=self.snapshot.digest,
            rows={},
            sizes={},
            limit=0,
            test_split="t",
            settings={},
        )
        self.checkpoint = Checkpoint(
            dataset=name,
            digest=key,
            problem=problem,
            tokens=self.tokens.digest,
            mlflow_run="",
            epochs=1,
            best_epoch=1,
            validation_loss=1.0,
            clipped_share=0.0,
            train_seconds=1.0,
            num_parameters=1,
            settings={"joined_texts": is_joined},
        )
        paired = (
            ([np.concatenate(predictions)], ["\n".join(references)])
            if is_joined
            else (predictions, references)
        )
        statistics, others = (
            metric.statistics(*paired),
            metric.statistics(baseline_predictions, references),
        )
        value, baseline = (
            float(metric.score(rows.sum(0)[None])[0]) for rows in (statistics, others)
        )
        run = mlflow_client.client().create_run(mlflow_client.experiment(name)).info.run_id
        self.scores = Scores(
            dataset=name,
            digest=key,
            problem=problem,
            checkpoint=key,
            tokens=self.tokens.digest,
            mlflow_run=run,
            test_split="t",
            metrics={
                metric.name: {"value": value, "low": value - 1, "high": value + 1, "signature": ""}
            },
            baselines={majority.__name__: {metric.name: baseline}},
            bleu_tokenizer=tokenizer,
        )
        for artifact in (self.snapshot, self.tokens, self.checkpoint, self.scores):
            artifact.folder.mkdir(parents=True, exist_ok=True)
            artifact.commit()
        pq.write_table(
            pa.table({column: sides[column] for column in columns}),
            self.snapshot.folder / "test.parquet",
        )
        np.savez(self.scores.folder / "statistics.npz", **{metric.name: statistics})
        np.savez(self.scores.folder / "baselines.npz", **{majority.__name__: others})
        if problem != "generation":
            outputs = pd.DataFrame({"output": predictions, "reference": references})
            outputs.to_parquet(self.scores.folder / "outputs.parquet")

    def register(self, *aliases: str) -> ModelVersion:
        """A version of it."""
        number = registered(self.scores, *aliases)
        return ModelVersion(self.scores.dataset, number, self.scores.mlflow_run, self.scores.digest)

    def decided(self, version: ModelVersion, **settings: Any) -> Promotion:
        """The decision on a version."""
        return directly(promote, version, self.scores, self.tokens, PromotionChanges(**settings))


@pytest.fixture
def champion(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The champion's predictions on the test split by version, without a model."""
    predictions: dict[str, list[Any]] = {}
    monkeypatch.setattr(
        evidence, "predict_champion", lambda name, version, tokens: predictions[version]
    )
    return predictions


@pytest.fixture(autouse=True)
def parity_checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the versions of the parity check, which have no weights to predict with."""
    checked: list[str] = []
    monkeypatch.setattr(
        stage, "check_parity", lambda version, scores, tokens: checked.append(version.version)
    )
    return checked


@pytest.fixture(autouse=True)
def without_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no card, as these versions have no training."""
    monkeypatch.setattr(stage, "keep_card", lambda version, tokens, scores, promotion: None)
    monkeypatch.setattr(stage, "keep_run_page", lambda scores, tokens, promotion: None)


def tags(version: ModelVersion) -> dict[str, str]:
    return dict(mlflow_client.client().get_model_version(version.name, version.version).tags)


def test_first_model_is_compared_with_the_best_baseline_example_by_example() -> None:
    made = Made("sentiment", with_faults("sentiment", range(40)), ["pos"] * NUM)
    found = made.decided(made.register())
    assert found.reason.startswith(
        "first champion: accuracy 90.00 against 50.00 of majority, gain +40.00"
    )
    assert (found.against, found.champion_version, found.champion_score) == ("majority", "", None)
    assert found.comparison["num_examples"] == NUM
    assert found.aliases == ["champion"]


def test_champion_without_its_alias_is_promoted_again() -> None:
    made = Made("sentiment", with_faults("sentiment", range(40)), ["pos"] * NUM)
    version = made.register()
    assert made.decided(version).aliases == ["champion"]
    mlflow_client.set_alias("made", "champion", "")
    assert made.decided(version).aliases == ["champion"]
    assert mlflow_client.version_with_alias("made", "champion") == version.version


def test_first_model_no_better_than_the_baselines_gets_no_alias() -> None:
    made = Made("sentiment", ["neg"] * NUM, ["pos"] * NUM)
    version = made.register()
    found = made.decided(version)
    assert (found.is_promoted, found.aliases) == (False, [])
    assert tags(version)["refrain.decision"] == "not promoted"
    assert mlflow_client.version_with_alias("made", "champion") is None


def test_better_challenger_becomes_champion_and_its_version_has_the_reason(
    champion: dict[str, list[Any]],
) -> None:
    made = Made("sentiment", with_faults("sentiment", range(40)), ["pos"] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("sentiment", range(60))
    found = made.decided(new)
    assert found.is_promoted
    assert (found.challenger_score, found.champion_score, found.champion_version) == (
        90.0,
        85.0,
        old.version,
    )
    assert mlflow_client.version_with_alias("made", "champion") == new.version
    recorded = {
        name.removeprefix("refrain.decision"): value
        for name, value in tags(new).items()
        if "decision" in name
    }
    assert recorded == {
        "": "promoted",
        ".digest": found.digest,
        ".policy": "superior",
        ".reason": found.reason,
        ".gain": "+5.0000",
        ".against": f"champion version {old.version}",
        ".p_value": "0.0001",
        ".examples": "400",
        ".interval": f"{found.comparison['low']:+.4f} to {found.comparison['high']:+.4f} (90 %)",
    }


def test_version_with_other_answers_than_its_training_is_not_promoted(
    champion: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Made("sentiment", with_faults("sentiment", range(40)), ["pos"] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("sentiment", range(60))

    def differs(*given: Any) -> None:
        raise ValueError("row 3: expected pos, found neg")

    monkeypatch.setattr(stage, "check_parity", differs)
    with pytest.raises(ValueError, match="row 3: expected pos, found neg"):
        made.decided(new)
    assert mlflow_client.version_with_alias("made", "champion") == old.version


def test_parity_is_checked_only_before_a_promotion(
    champion: dict[str, list[Any]], parity_checks: list[str]
) -> None:
    made = Made("sentiment", with_faults("sentiment", range(40)), ["pos"] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("sentiment", range(40))
    made.decided(new)
    assert parity_checks == []
    champion[old.version] = with_faults("sentiment", range(60))
    made.decided(new, min_effect=0.2)
    assert parity_checks == [new.version]


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (range(60), range(60), "equal scores keep the champion"),
        (range(60), range(100, 160), "equal scores keep the champion"),
        (range(58), range(60), "that may be chance"),
        (range(60), range(40), "it is worse"),
    ],
)
def test_equal_worse_or_insignificantly_better_challenger_keeps_the_champion(
    champion: dict[str, list[Any]], ours: range, theirs: range, reason: str
) -> None:
    made = Made("sentiment", with_faults("sentiment", ours), ["pos"] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("sentiment", theirs)
    found = made.decided(new)
    assert (found.is_promoted, reason in found.reason) == (False, True)
    assert mlflow_client.version_with_alias("made", "champion") == old.version


def test_better_challenger_that_loses_an_entity_kind_is_not_promoted(
    champion: dict[str, list[Any]],
) -> None:
    orgs, persons = [i for i in range(NUM) if i % 4 == 0], [i for i in range(NUM) if i % 4]
    made = Made("ner", with_faults("ner", orgs[:12]), [["O", "O"]] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("ner", persons[:60])
    found = made.decided(new)
    assert not found.is_promoted
    assert found.comparison["gain"] > 5
    assert "F1 of ORG falls by 6.38 to 93.62" in found.reason  # 12 of 100 lost: 2 * 88 / 188
    assert [(change["name"], change["num_examples"]) for change in found.classes] == [
        ("ORG", 100),
        ("PER", 300),
    ]
    assert made.decided(new, guards={"ORG": 10.0}).is_promoted


def test_lower_cost_wins_and_running_text_is_compared_in_blocks(
    champion: dict[str, list[Any]],
) -> None:
    made = Made("generation", nats(1.9), nats(3.0), is_joined=True)
    old, new = made.register("champion"), made.register()
    champion[old.version] = nats(2.0)
    found = made.decided(new)
    assert found.comparison["num_examples"] == 4  # 4,000 tokens
    assert found.comparison["gain"] == pytest.approx(0.1 / np.log(2))
    assert not found.is_promoted  # four blocks are too few for significance


def test_different_numbers_of_blocks_raise_with_the_remedy(
    champion: dict[str, list[Any]],
) -> None:
    made = Made("generation", nats(1.9), nats(3.0), is_joined=True)
    old, new = made.register("champion"), made.register()
    champion[old.version] = [np.repeat(row, 2) / 2 for row in nats(2.0)]
    with pytest.raises(
        ValueError,
        match=r"4 rows of ours cannot be paired with 8 of theirs.*promotion.policy=always",
    ):
        made.decided(new)
    assert made.decided(new, policy="always").reason.startswith(
        "promoted by policy always, without a comparison"
    )


def test_decision_is_made_once_per_policy(
    champion: dict[str, list[Any]],
) -> None:
    made = Made("sentiment", with_faults("sentiment", range(60)), ["pos"] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("sentiment", range(60))
    first = made.decided(new)
    champion.clear()  # a second request would fail
    assert made.decided(new) == first
    champion[old.version] = with_faults("sentiment", range(60))
    assert made.decided(new, policy="not_worse").is_promoted
    assert made.decided(new).aliases == ["champion"]
    assert made.decided(new, policy="never").reason == "champion already: accuracy 85.00"


def test_decisions_against_two_champions_are_both_stored(champion: dict[str, list[Any]]) -> None:
    made = Made("sentiment", with_faults("sentiment", range(60)), ["pos"] * NUM)
    old, other, new = made.register("champion"), made.register(), made.register()
    champion |= {
        old.version: with_faults("sentiment", range(60)),
        other.version: with_faults("sentiment", range(40)),
    }
    first = made.decided(new)
    mlflow_client.set_alias("made", "champion", other.version)
    second = made.decided(new)
    assert ("equal scores" in first.reason, "it is worse" in second.reason) == (True, True)
    assert [Promotion.find("made", each.digest) for each in (first, second)] == [first, second]
    champion.clear()  # a second request would fail
    mlflow_client.set_alias("made", "champion", old.version)
    assert made.decided(new) == first


def test_champion_is_found_with_the_decision_that_promoted_it(
    champion: dict[str, list[Any]],
) -> None:
    made = Made("sentiment", with_faults("sentiment", range(40)), ["pos"] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("sentiment", range(60))
    first = made.decided(new)
    champion.clear()
    assert made.decided(new) == first
    assert (first.champion_version, first.aliases) == (old.version, ["champion"])


def test_guard_of_an_unknown_class_raises_before_any_prediction(
    champion: dict[str, list[Any]],
) -> None:
    made = Made("ner", with_faults("ner", [1]), [["O", "O"]] * NUM)
    made.register("champion")
    with pytest.raises(
        ValueError,
        match=r"promotion.guards: the test split has no class 'PERS': did you mean PER\?",
    ):
        made.decided(made.register(), guards={"PERS": 1.0})


def test_promotion_page_starts_with_the_reason_and_shows_the_comparison(
    champion: dict[str, list[Any]],
) -> None:
    made = Made("ner", with_faults("ner", [0, 4, 8, 1]), [["O", "O"]] * NUM)
    old, new = made.register("champion"), made.register()
    champion[old.version] = with_faults("ner", range(1, 60))
    found = made.decided(new)
    lines = promotion_text(found, made.scores).splitlines()
    decision = "promoted" if found.is_promoted else f"champion stays version {old.version}"
    head = f"# made, version {new.version}: {decision}"
    assert lines[:3] == [head, "", f"**{found.reason}**"]
    assert f"| champion version {old.version} | 92.0 |" in lines
    assert "| size | 400 examples, 10,000 resamples |" in lines
    assert (
        "| policy | superior: p at most 0.05, a gain of 0.1 points at least, "
        "no class may fall beyond its guard |" in lines
    )
    assert next(line for line in lines if line.startswith("| PER")).endswith(
        "| 1.0000 | 2 | holds |"
    )
    assert (
        sum(line.startswith("| p-value, one-sided | 0.0001 (bootstrap 0.0001") for line in lines)
        == 1
    )


def test_promotion_page_states_that_the_policy_compares_nothing() -> None:
    made = Made("sentiment", ["neg"] * NUM, ["pos"] * NUM)
    lines = promotion_text(made.decided(made.register(), policy="always"), made.scores).splitlines()
    assert "| policy | always: no comparison |" in lines
    assert not [line for line in lines if line.startswith(("| gain", "| F1 of"))]


@pytest.mark.case("D13")
def test_champion_is_scored_again_by_the_bleu_tokenizer_of_the_challenger(
    champion: dict[str, list[Any]],
) -> None:
    """With 13a both score 0 on texts without spaces, and equal scores promote nothing."""
    worse = [text[:2] + "ヌヌ" + text[4:] for text in REFERENCES["translation"]]
    for tokenizer, is_better in (("13a", False), ("char", True)):
        made = Made(
            "translation",
            with_last_wrong(3),
            ["ア"] * NUM,
            name=f"made_{tokenizer}",
            tokenizer=tokenizer,
        )
        old, new = made.register("champion"), made.register()
        champion[old.version] = worse
        found = made.decided(new)
        assert found.is_promoted == is_better
        assert (found.champion_score or 0) > 0 if is_better else found.champion_score == 0


@pytest.mark.case("D13")
def test_first_model_and_baseline_are_scored_by_the_same_bleu_tokenizer() -> None:
    made = Made("translation", with_last_wrong(3), ["カサタナ"] * NUM, tokenizer="char")
    found = made.decided(made.register())
    assert found.is_promoted
    assert found.comparison["theirs"] > 10  # half of each text is right


def with_last_wrong(num: int) -> list[Any]:
    """Translations without spaces, of which some end wrongly."""
    return [
        text[:-1] + "ア" if i < num else text for i, text in enumerate(REFERENCES["translation"])
    ]
