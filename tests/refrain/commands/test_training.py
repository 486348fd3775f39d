"""``refrain health`` and ``refrain compare`` as a user types them, and their output."""

import json
from pathlib import Path

import pytest

from refrain.commands.training import spread
from tasks.registry import versions
from tasks.store.artifacts import Checkpoint
from tests.refrain.commands.test_data import Screen, screen

__all__ = ["screen"]
TINY = [
    f"--set=training.{name}"
    for name in ("hidden_size=8", "embedding_size=8", "max_epochs=1", "device=cpu")
]


def test_encoders_option_takes_words_up_to_the_next_option() -> None:
    words = ["made", "--encoders", "rnn", "cnn", "--json", "--limit", "5"]
    assert spread(words, "--encoders") == [
        "made",
        "--encoders",
        "rnn",
        "--encoders",
        "cnn",
        "--json",
        "--limit",
        "5",
    ]


def test_health_prints_the_same_as_text_json_and_page(screen: Screen, store: Path) -> None:
    words = (
        "health",
        "mine",
        "--catalog",
        screen.catalog(),
        "--steps",
        "6",
        "--set=training.batch_size=8",
        *TINY,
    )
    output = screen.says(*words)
    assert all(
        part in output
        for part in (
            "gradient health",
            "Recommendations",
            "oscillation of the loss",
            "clipped by norm 5",
        )
    )
    report = json.loads(screen.says(*words, "--json"))
    assert (
        len(report["series"]["free"]["loss"])
        == len(report["series"]["clipped"]["loss"])
        == report["clipped"]["num_steps"]
        == 6
    )
    page = Path(report["page"])
    assert page.is_relative_to(store)
    text = page.read_text()
    assert text.count("<svg") == 1
    assert all(sentence.split("'")[0] in text for sentence in report["sentences"])
    assert list((store / "health").iterdir()) == [page.parent]
    assert not (store / "checkpoints").exists()


def test_health_of_an_exploding_training_is_a_report(screen: Screen) -> None:
    sgd = (
        "--set=training.optimizer=sgd",
        "--set=training.learning_rate=1.0e+30",
        "--set=training.warmup_steps=0",
        "--set=training.max_epochs=5",
    )
    words = (
        "health",
        "mine",
        "--catalog",
        screen.catalog(),
        "--steps",
        "30",
        "--set=training.batch_size=8",
        *TINY,
        *sgd,
    )
    report = json.loads(screen.says(*words, "--json"))
    assert report["verdict"] == "explodes"
    assert report["free"]["oscillation"] is None
    assert report["free"]["num_not_finite"] == 5
    assert "Lower training.learning_rate" in report["advice"][0]
    assert "The gradient explodes" in screen.says(*words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["health", "mine", "--set=training.clipping=none"],
            "training.clipping must be norm, value or adaptive, got 'none'",
        ),
        (
            ["health", "mine", "--set=training.clip_nrm=1"],
            "there is no setting 'training.clip_nrm': did you mean",
        ),
        (["health", "mien"], "there is no dataset 'mien'"),
        (
            ["compare", "mine", "--encoders", "lstn"],
            "there is no encoder 'lstn': did you mean lstm",
        ),
        (
            ["compare", "mine", "--split", "train"],
            "--split must be one of validation, test, got 'train'",
        ),
        (
            ["compare", "mine", "--set=training.encoder=rnn"],
            "use --encoders, as in --encoders lstm cnn",
        ),
    ],
)
def test_invalid_request_is_one_line(words: list[str], expected: str, screen: Screen) -> None:
    assert expected in screen.says(*words, "--catalog", screen.catalog(), status=1)


def test_compare_trains_once_and_registers_nothing(
    screen: Screen, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "compare",
        "mine",
        "--catalog",
        screen.catalog(),
        *TINY,
        "--encoders",
        "lstm",
        "cnn",
        "--json",
    )
    rows = json.loads(screen.says(*words))
    assert [row["system"] for row in rows] == [
        "majority",
        "bag_of_words",
        "character_ngrams",
        "lstm",
        "cnn",
    ]
    assert all(
        0 <= row["metrics"]["accuracy"]["value"] <= 100 and row["num_parameters"] >= 1
        for row in rows
    )
    assert {row["split"] for row in rows} == {"validation"}
    files = [path for path in (store / "checkpoints").rglob("*") if path.is_file()]
    made = {path: path.stat().st_mtime_ns for path in files}
    assert len(list((store / "checkpoints").iterdir())) == 2
    assert json.loads(screen.says(*words)) == rows
    assert {path: path.stat().st_mtime_ns for path in files} == made
    assert versions.model_names() == []
    lstm = Checkpoint.find("mine", rows[3]["checkpoint"])
    assert lstm is not None
    assert (lstm.settings["encoder"], lstm.num_parameters) == ("lstm", rows[3]["num_parameters"])
    on_test = json.loads(screen.says(*words, "--split", "test"))
    assert [row["checkpoint"] for row in on_test] == [row["checkpoint"] for row in rows]
    assert {row["split"] for row in on_test} == {"test"}
    assert {path: path.stat().st_mtime_ns for path in files} == made
    assert "bag of words" in screen.says(*words[:-1])


def test_settings_under_which_no_encoder_can_be_trained_raise(screen: Screen) -> None:
    words = ("compare", "mine", "--catalog", screen.catalog(), *TINY, "--encoders")
    window = "--set=training.bptt_window=3"  # a backward direction has no state to carry
    assert "set bptt_window to 0" in screen.says(*words, "lstm", window, status=1)


def test_a_cnn_whose_decoder_is_recurrent_is_noted(made_catalog: Path, screen: Screen) -> None:
    words = (
        "compare",
        "made_translation",
        "--catalog",
        str(made_catalog),
        *TINY,
        "--limit",
        "40",
        "--set=training.beam_width=1",
    )
    rows = {
        row["system"]: row
        for row in json.loads(screen.says(*words, "--encoders", "gru", "cnn", "--json"))
    }
    assert rows.keys() == {"nearest_pair", "gru", "cnn"}
    assert "the decoder" in rows["cnn"]["note"]
    assert rows["gru"]["note"] == ""
    assert rows["gru"]["metrics"].keys() == {"bleu", "chrf"}
