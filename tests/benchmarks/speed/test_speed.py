"""Counts and parsing of the speed benchmark, and the marks of unmeasured figures."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.lib.figures import RESULTS, read
from benchmarks.speed import __main__, time_growth
from benchmarks.speed.flop import Translated, Widths, lstm, model_bytes, training_flop
from benchmarks.speed.inputs import SENTIMENT, TAGGING, TRANSLATION
from benchmarks.speed.ours import RUNS
from benchmarks.speed.peer_environments import (
    JOEY_SPEED,
    ONMT_SPEED,
    decoded_seconds,
    joeynmt_settings,
    logged_speed,
    opennmt_settings,
)
from benchmarks.speed.profile import SHOWN, kept_table
from benchmarks.speed.rows import ROWS, Goal, last_json, note, ratio
from benchmarks.speed.stopwatch import OUTSIDE, PLACES, STAGES, Stopwatch, outside_share
from benchmarks.speed.time_growth import AXES, Curve, Size, curve, step_flop
from rnn_models.problem import Sizes, find_problem

ISSUE = {
    "translation_train_vs_joeynmt": 3.5,
    "translation_train_vs_opennmt": 1.5,
    "translation_train_roofline_share": 60,
    "ner_train_vs_flair": 10,
    "ner_predict_vs_flair": 10,
    "sentiment_train_vs_flair": 5,
    "beam_vs_joeynmt": 3,
    "outside_model_share": 5,
    "help_seconds": 0.5,
    "first_step_seconds": 10,
}
# Lines as both programs write them, numbers made up.
JOEY_LOG = """
2026-01-01 00:00:01,000 - INFO - joeynmt.training - Epoch   1, Step:       10, Batch Loss: 9.1, Batch Acc: 0.1, Tokens per Sec:      100, Lr: 0.001
2026-01-01 00:00:02,000 - INFO - joeynmt.training - Epoch   1, Step:       20, Batch Loss: 8.1, Batch Acc: 0.1, Tokens per Sec:      300, Lr: 0.001
2026-01-01 00:00:03,000 - INFO - joeynmt.training - Epoch   1, Step:       30, Batch Loss: 7.1, Batch Acc: 0.1, Tokens per Sec:      600, Lr: 0.001
2026-01-01 00:00:09,000 - INFO - joeynmt.prediction - Generation took 12.5000[sec].
"""  # noqa: E501, a line of a log is as long as it is
ONMT_LOG = """
[2026-01-01 00:00:01,000 INFO] Step 10/  30; acc: 3.1; ppl: 9000.0; xent: 9.1; lr: 0.00100; sents:  640; bsz:  800/ 820/64; 90/100 tok/s;  8 sec;
[2026-01-01 00:00:02,000 INFO] Step 20/  30; acc: 9.1; ppl: 8000.0; xent: 8.1; lr: 0.00100; sents:  640; bsz:  800/ 820/64; 270/300 tok/s; 11 sec;
[2026-01-01 00:00:03,000 INFO] Step 30/  30; acc: 9.2; ppl: 7000.0; xent: 7.1; lr: 0.00100; sents:  640; bsz:  800/ 820/64; 540/600 tok/s; 12 sec;
"""  # noqa: E501


def test_lstm_step_costs_its_eight_products() -> None:
    inputs = 3
    hidden = 5
    assert lstm(inputs, hidden) == 4 * (2 * inputs * hidden) + 4 * (2 * hidden * hidden)


def test_flop_of_a_tiny_training_equal_counts_by_hand() -> None:
    # One sentence of 2 source and 3 target tokens; embedding 2, encoder 3 each way, decoder 4, 5
    # ids.
    encoder = (
        2 * 2 * (4 * 2 * (2 * 3 + 3 * 3))
    )  # tokens, directions, gates, products by input and by hidden state
    keys = 2 * (2 * 6 * 4)
    decoder = 3 * (4 * 2 * ((2 + 4) * 4 + 4 * 4))
    attended = 3 * (2 * (6 + 4) * 4)
    projected = 3 * (2 * 4 * 5)
    pairs = 2 * 3 * (2 * 4 + 2 * 6)
    bridge = 2 * 6 * 4
    expected = 3 * (encoder + keys + decoder + attended + projected + pairs + bridge)
    assert training_flop(Translated(1, 2, 3, 6), Widths(2, 3, 4, 5)) == expected


def test_product_and_gradients_cost_what_torch_counts() -> None:
    matrix = torch.randn(7, 5, requires_grad=True)
    rows = torch.randn(3, 7, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        (rows @ matrix).sum().backward()
    assert counter.get_total_flops() == 3 * (2 * 3 * 7 * 5)


def test_flop_per_token_are_near_those_implied_by_peer_sizes() -> None:
    # Multi30k: 13.9 source and 15.5 target tokens a sentence, 7,066 target ids.
    flop = training_flop(Translated(100, 1390, 1550, 100 * 14 * 16), Widths(256, 256, 512, 7070))
    assert flop / 1550 / 1e6 == pytest.approx(47, rel=0.05)


def test_number_of_weights_equals_that_of_the_peers() -> None:
    settings = find_problem("translation").defaults.with_changes(TRANSLATION)
    problem = find_problem("translation")
    model = problem.build(Sizes(source=5207, target=7070), settings)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(11.5e6, rel=0.01)
    assert model_bytes(10, 5) == 200


@pytest.mark.parametrize(
    ("log", "pattern"), [(JOEY_LOG, JOEY_SPEED), (ONMT_LOG, ONMT_SPEED)], ids=["joeynmt", "opennmt"]
)
def test_speed_of_a_log_is_total_tokens_per_second_after_warm_up(log, pattern) -> None:
    # As many tokens at 300 and at 600 a second: 2 in 1/300 + 1/600.
    assert logged_speed(log, pattern, 10) == pytest.approx(400)
    assert logged_speed(log, pattern, 20) == pytest.approx(600)


def test_log_without_a_speed_raises_with_its_last_lines() -> None:
    with pytest.raises(
        ValueError, match=r"no speed after step 30 in the log; its end:\n.*Generation took"
    ):
        logged_speed(JOEY_LOG.replace("\n", " "), JOEY_SPEED, 30)
    with pytest.raises(ValueError, match="no time of a generation"):
        decoded_seconds(ONMT_LOG)


def test_seconds_of_a_search_are_parsed() -> None:
    assert decoded_seconds(JOEY_LOG) == 12.5


def test_only_the_last_line_of_a_run_is_parsed() -> None:
    assert last_json('a warning\n{"train": 1.5}\n') == {"train": 1.5}


def test_ratio_is_of_medians_and_share_is_our_own() -> None:
    runs = {
        "ours": [{"train": v, "share": v / 10} for v in (300, 900, 310)],
        "peer": [{"train": v} for v in (100, 90, 155)],
    }
    assert ratio(runs, Goal("f", "train", "peer", 1)) == pytest.approx(3.1)
    assert ratio(runs, Goal("f", "share", "", 1)) == pytest.approx(31)


def test_note_names_both_medians_and_their_spread() -> None:
    runs = {
        "ours": [{"train": v} for v in (3000, 9000, 3100)],
        "flair": [{"train": v} for v in (100, 90, 155)],
    }
    text = note(ROWS["ner"], runs, Goal("f", "train", "flair", 1))
    assert (
        text
        == "tokens per second, medians of 3: ours 3,100 (3,000 to 9,000), flair 100 (90 to 155)"
    )


def test_goals_equal_those_of_the_issue() -> None:
    assert {name: goal for name, (_, goal, _) in __main__.WANTED.items()} == ISSUE


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_each_figure_compares_sides_that_run(row) -> None:
    assert row.name in RUNS
    assert {goal.peer for goal in row.goals if goal.peer} <= set(row.sides)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("translation", TRANSLATION), ("ner", TAGGING), ("sentiment", SENTIMENT)],
    ids=lambda v: str(v)[:11],
)
def test_our_settings_are_valid(name, changes) -> None:
    assert find_problem(name).defaults.with_changes(changes).precision == "float32"


def test_all_three_translators_have_the_same_sizes() -> None:
    joey = joeynmt_settings("m", 30, 10)
    onmt = opennmt_settings(30, 10)
    ours = TRANSLATION
    encoder = joey["model"]["encoder"]
    decoder = joey["model"]["decoder"]
    sizes = (
        ours["embedding_size"],
        2 * ours["hidden_size"],
        ours["decoder_size"],
        ours["batch_size"],
        ours["dropout"],
    )
    assert sizes == (
        encoder["embeddings"]["embedding_dim"], 2 * encoder["hidden_size"], decoder["hidden_size"],
        joey["training"]["batch_size"], encoder["dropout"],
    )  # fmt: skip
    # Its hidden size is that of both directions together.
    assert sizes == (
        onmt["src_word_vec_size"],
        onmt["hidden_size"],
        onmt["hidden_size"],
        onmt["batch_size"],
        onmt["dropout"][0],
    )
    assert ours["label_smoothing"] == joey["training"]["label_smoothing"] == onmt["label_smoothing"]


def test_nested_stages_add_up_to_the_total() -> None:
    moments = iter([0.0, 0.0, 1.0, 3.0, 7.0, 7.0, 12.0])
    watch = Stopwatch(lambda: next(moments))
    with watch.stage("bookkeeping"), watch.stage("encoder"), watch.stage("attention"):
        pass
    # Opened at 0, 1 and 3; the innermost closed at 7, the next at 7, the outer one at 12.
    assert watch.seconds == {"bookkeeping": 1 + 5, "encoder": 2, "attention": 4}


def test_stages_within_validation_count_as_validation() -> None:
    moments = iter([0.0, 0.0, 4.0])
    watch = Stopwatch(lambda: next(moments))
    with watch.stage("validation"), watch.stage("encoder"):
        pass
    assert watch.seconds == {"validation": 4}


def test_share_outside_stages_is_of_all_seconds() -> None:
    assert outside_share({"data": 1, "logging": 2, "encoder": 17}) == pytest.approx(15)
    assert set(OUTSIDE) < set(STAGES)


def test_every_timed_function_exists() -> None:
    missing = [
        (owner, name)
        for timed in PLACES.values()
        for owner, name in timed
        if not callable(getattr(owner, name, None))
    ]
    assert missing == []


def test_law_starts_where_the_measured_curve_starts() -> None:
    found = curve((1, 2, 4), (0.01, 0.015, 0.05), (10, 20, 40))
    assert found == Curve((1, 2, 4), pytest.approx([10, 15, 50]), pytest.approx([10, 20, 40]))
    assert (found.growth, found.lawful_growth, found.is_lawful) == (
        pytest.approx(5),
        pytest.approx(4),
        False,
    )


def test_axis_changes_an_existing_size() -> None:
    for axis in AXES.values():
        assert hasattr(Size(), axis.name)
        assert list(axis.values) == sorted(axis.values)
    assert step_flop(Size(length=32)) > 2 * step_flop(Size(length=16)) * 0.95


@pytest.mark.parametrize(
    ("name", "make_page"),
    [
        ("speed", __main__.table),
        ("speed_memory", __main__.memory_table),
        ("speed_profiles", kept_table),
        ("speed_growth", lambda: time_growth.page(time_growth.kept_curves())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_table_in_the_document_matches_the_figures(name, make_page) -> None:
    assert (RESULTS / f"{name}.md").read_text() == make_page()


def test_unmeasured_figure_is_marked() -> None:
    known = {item.figure for item in read("speed")} if (RESULTS / "speed.json").exists() else set()
    assert __main__.table().count("| not measured |") == len(set(__main__.WANTED) - known)


def test_stored_profile_shows_its_stages(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.speed.profile.KEPT", tmp_path / "profiles.json")
    (tmp_path / "profiles.json").write_text(
        json.dumps({"irish": {"after": {"encoder": 12.345, "all": 20.0}}})
    )
    rows = [line.split("|")[-2].strip() for line in kept_table().splitlines()[2:]]
    assert rows[[*STAGES, "all"].index("encoder")] == "12.3"
    assert (rows[0], rows[-1]) == ("-", "20.0")
    assert list(SHOWN)[-1] == "irish"
