"""The rows of ``benchmarks.speed``: their sides, the results of each run, figures and goals."""

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.speed.peer_environments import (
    JOEY_SPEED,
    LANGUAGES,
    ONMT_SPEED,
    SCRIPTS,
    WORK,
    decoded_seconds,
    joeynmt_settings,
    logged_speed,
    opennmt_settings,
    program,
    run_peer,
    write_settings,
)

Values = dict[str, float]
BEAM = 5
TAGGED = 4  # sentences that are tagged for each that is translated
# steps of JoeyNMT after which its captions begin and end as captions do, and are as long
TRAINED_A_LITTLE = 250


@dataclass(frozen=True)
class Workload:
    """Amounts: steps before and after the clock starts, predicted rows, training, threads."""

    warmup: int = 5
    steps: int = 15
    rows: int = 256
    steps_before_beam: int = TRAINED_A_LITTLE
    threads: int = 2


@dataclass(frozen=True)
class Goal:
    """A figure: ours divided by a peer's, or a value of ours alone where ``peer`` is empty."""

    figure: str
    value: str
    peer: str
    goal: float
    unit: str = "times"


@dataclass(frozen=True)
class Row:
    """What is run in turn, by the names of the sides, and the figures that follow."""

    name: str
    about: str
    per_second: str
    sides: dict[str, Callable[[Workload], Values]]
    goals: tuple[Goal, ...]


def last_json(printed: str) -> Values:
    """The numbers of the last line."""
    found: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return found


def ours(name: str, more: int = 1) -> Callable[[Workload], Values]:
    """Run our side with several times the steps: it is faster, and needs as long a time."""

    def run(workload: Workload) -> Values:
        is_beam = name == "beam"
        if is_beam:
            train_joeynmt_a_little(workload)  # it is JoeyNMT's model that both search in
        steps = workload.steps_before_beam if is_beam else more * workload.steps
        rows = workload.rows if is_beam else TAGGED * workload.rows
        words = ["--warmup", str(workload.warmup), "--steps", str(steps), "--rows", str(rows)]
        command = [sys.executable, "-m", "benchmarks.speed.ours", name, *words]
        return last_json(
            run_peer(command, workload.threads, GOMP_SPINCOUNT="2000")
        )  # as refrain/environment.py

    return run


def joeynmt_train(workload: Workload) -> Values:
    """A training of JoeyNMT."""
    every = workload.warmup
    settings = joeynmt_settings(
        "joeynmt", workload.warmup + -(-workload.steps // every) * every, every
    )
    log = joeynmt("train", settings, "joeynmt.yaml", workload.threads, "--skip-test")
    return {"train": logged_speed(log, JOEY_SPEED, workload.warmup)}


def joeynmt(mode: str, settings: dict[str, Any], name: str, threads: int, *more: str) -> str:
    """What JoeyNMT says in a mode."""
    return run_peer(
        [program("joeynmt"), "-m", "joeynmt", mode, write_settings(name, settings), *more], threads
    )


def joeynmt_folder(workload: Workload) -> str:
    """Where JoeyNMT keeps the model that is searched in."""
    return f"joeynmt-{workload.steps_before_beam}"


def train_joeynmt_a_little(workload: Workload) -> None:
    """Make the model that is searched in, once."""
    folder = joeynmt_folder(workload)
    updates = workload.steps_before_beam
    if not (WORK / folder / "latest.ckpt").exists():
        joeynmt(
            "train",
            joeynmt_settings(folder, updates, updates),
            "joeynmt_beam.yaml",
            workload.threads,
            "--skip-test",
        )


def joeynmt_search(workload: Workload, *, beam_size: int) -> tuple[float, list[list[str]]]:
    """Time a search of JoeyNMT's, and return its hypotheses; a beam of 1 is greedy."""
    train_joeynmt_a_little(workload)
    for language in LANGUAGES:
        lines = (
            (WORK / f"test.bpe.{language}").read_text(encoding="utf-8").split("\n")[: workload.rows]
        )
        (WORK / f"search.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = joeynmt_settings(
        joeynmt_folder(workload), workload.steps_before_beam, workload.steps_before_beam, "search"
    )
    settings["testing"]["beam_size"] = beam_size
    log = joeynmt("test", settings, "joeynmt_search.yaml", workload.threads, "-o", "found")
    texts = (WORK / "found.test").read_text(encoding="utf-8").split("\n")[:-1]
    return decoded_seconds(log), [line.split() for line in texts]


def joeynmt_beam(workload: Workload) -> Values:
    """A beam search of JoeyNMT, with a model that it trained a little, once."""
    seconds, texts = joeynmt_search(workload, beam_size=BEAM)
    return {
        "beam": workload.rows / seconds,
        "length": statistics.mean(len(words) for words in texts),
    }


def opennmt_train(workload: Workload) -> Values:
    """A training of OpenNMT-py."""
    every = workload.warmup
    path = write_settings(
        "opennmt.yaml",
        opennmt_settings(workload.warmup + -(-workload.steps // every) * every, every),
    )
    if not (WORK / "onmt.target").exists():
        run_peer(
            [program("opennmt", "onmt_build_vocab"), "-config", path, "-n_sample", "-1"],
            workload.threads,
        )
    log = run_peer(
        [program("opennmt"), SCRIPTS / "opennmt_train.py", "-config", path], workload.threads
    )
    return {"train": logged_speed(log, ONMT_SPEED, workload.warmup)}


def flair(model: str) -> Callable[[Workload], Values]:
    """A run of flair."""

    def run(workload: Workload) -> Values:
        words = [
            "--warmup",
            str(workload.warmup),
            "--steps",
            str(2 * workload.steps),
            "--rows",
            str(TAGGED * workload.rows),
        ]
        return last_json(
            run_peer(
                [program("flair"), SCRIPTS / "flair_speed.py", model, *words], workload.threads
            )
        )

    return run


ROWS = {
    row.name: row
    for row in (
        Row(
            "translation",
            "Multi30k, BiLSTM 256, LSTM 512 with input feeding, batches of 64",
            "target tokens",
            {"ours": ours("translation", 2), "joeynmt": joeynmt_train, "opennmt": opennmt_train},
            (
                Goal("translation_train_vs_joeynmt", "train", "joeynmt", 3.5),
                Goal("translation_train_vs_opennmt", "train", "opennmt", 1.5),
                Goal("translation_train_roofline_share", "roofline_share", "", 60, "%"),
            ),
        ),
        Row(
            "ner",
            "CoNLL-2003, words of 100, character LSTM, BiLSTM 256, CRF, batches of 32",
            "tokens",
            {"ours": ours("ner", 8), "flair": flair("tagger")},
            (
                Goal("ner_train_vs_flair", "train", "flair", 10),
                Goal("ner_predict_vs_flair", "predict", "flair", 10),
            ),
        ),
        Row(
            "sentiment",
            "film reviews, words of 100, BiLSTM 256, its last states, batches of 32",
            "tokens",
            {"ours": ours("sentiment", 8), "flair": flair("classifier")},
            (Goal("sentiment_train_vs_flair", "train", "flair", 5),),
        ),
        Row(
            "beam",
            f"JoeyNMT's translation model after {TRAINED_A_LITTLE} steps, width {BEAM}, "
            "batches of 64",
            "sentences",
            {"ours": ours("beam"), "joeynmt": joeynmt_beam},
            (Goal("beam_vs_joeynmt", "beam", "joeynmt", 3),),
        ),
    )
}


def medians(runs: list[Values]) -> Values:
    """The median of each value over some runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def ratio(runs: dict[str, list[Values]], goal: Goal) -> float:
    """Our median divided by the peer's, or our median alone."""
    value = medians(runs["ours"])[goal.value]
    return value / medians(runs[goal.peer])[goal.value] if goal.peer else value


def note(row: Row, runs: dict[str, list[Values]], goal: Goal) -> str:
    """Medians and spreads of both sides; of a share what it is a share of."""
    if not goal.peer:
        seen = medians(runs["ours"])
        return (
            f"{seen['train']:,.0f} {row.per_second} per second of "
            f"{seen['mflop_per_token']:.1f} MFLOP each; "
            f"a product of 2048 by 2048 ran at {seen['gflop_per_second']:.0f} GFLOP/s"
        )
    sides = []
    for side in ("ours", goal.peer):
        values = [run[goal.value] for run in runs[side]]
        parts = (
            f"{side} {statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
        )
        sides.append(
            parts
            + (
                f", texts of {medians(runs[side])['length']:.1f} tokens"
                if "length" in runs[side][0]
                else ""
            )
        )
    return f"{row.per_second} per second, medians of {len(runs['ours'])}: {', '.join(sides)}"


def kept(path: Path) -> dict[str, Any]:
    """What earlier sittings left."""
    return dict(json.loads(path.read_text())) if path.exists() else {}
