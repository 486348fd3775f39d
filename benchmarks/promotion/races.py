"""Races: two processes promote versions over the same champion; some are killed."""

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.promotion.champions import ChampionChangedError, caught_up, settle
from tasks.promotion.ledger import PROMOTED, Ledger
from tasks.registry import mlflow_client
from tasks.registry.versions import COMPLETE, is_complete, make_version, version_info
from tasks.store.artifacts import ModelVersion, Scores
from tasks.store.checksums import bytes_sum
from tasks.store.locks import locked

RACES = 200


KILLED_EVERY = 8


HALF_EVERY = 10


RACED = "raced"


WEIGHTS = bytes(100)


VERSIONS = 5


LATEST_KILL_SECONDS = 0.6


SCORES = Scores(
    dataset=RACED,
    digest="s",
    problem="sentiment",
    checkpoint="c",
    tokens="t",
    mlflow_run="",
    test_split="x",
    metrics={"accuracy": {"value": 50.0}},
    baselines={},
)


# Children start from a process that has imported what takes long and opened nothing.
Fork = multiprocessing.get_context("forkserver")


@dataclass
class Found:
    """What was counted."""

    registrations: int = 0
    extra: int = 0
    races: int = 0
    killed: int = 0
    overtaken: int = 0
    looks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    inconsistent: int = 0


def race(commands: Connection) -> None:
    """Promote the versions that arrive over the current champion, and send the outcomes."""
    while True:
        number, decision, delay = commands.recv()
        time.sleep(delay)
        commands.send(promoted(number, decision))


def promoted(number: str, decision: str) -> tuple[str, int]:
    """Whether a version was promoted, and how often it was overtaken before."""
    overtaken = 0
    while True:
        champion = mlflow_client.version_with_alias(RACED, mlflow_client.CHAMPION)
        try:
            settle(
                ModelVersion(RACED, number, "", "s"),
                champion,
                is_promoted=True,
                why="a race",
                scores=SCORES,
                decision=decision,
            )
        except ChampionChangedError:
            overtaken += 1
        except ValueError:  # a version that is not complete
            return "refused", overtaken
        else:
            return "promoted", overtaken


class Racer:
    """A process that promotes, and is started anew after it was killed."""

    def __init__(self) -> None:
        self.commands, theirs = Fork.Pipe()
        self.process: BaseProcess = Fork.Process(target=race, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def kill(self) -> None:
        """End the process at once, wherever it is."""
        self.process.kill()
        self.process.join()


def model_version(key: str) -> str:
    """A complete version of a model of one file."""
    client = mlflow_client.client()
    experiment = mlflow_client.experiment(RACED)
    run_id = str(client.create_run(experiment).info.run_id)
    model = client.create_logged_model(experiment, name="model", source_run_id=run_id)
    with TemporaryDirectory() as folder:
        (Path(folder) / "weights.bin").write_bytes(WEIGHTS)
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    files = {"weights.bin": bytes_sum(WEIGHTS)}
    return make_version(RACED, key, model.model_id, run_id, tags={}, files=files)


def faults_now() -> Iterator[str]:
    """What is wrong with the champion at any moment."""
    champion = mlflow_client.version_with_alias(RACED, mlflow_client.CHAMPION)
    info = version_info(RACED, champion) if champion else None
    if info is None or not is_complete(info):
        yield "champion not complete"


def faults_after(decisions: dict[str, str]) -> Iterator[str]:
    """What is wrong after a race whose decisions ended so."""
    yield from faults_now()
    ledger = Ledger.of(RACED)
    if ledger.champion != mlflow_client.version_with_alias(RACED, mlflow_client.CHAMPION):
        yield "champion not of the ledger"
    if ledger.pending or [line.number for line in ledger.lines] != list(
        range(1, len(ledger.lines) + 1)
    ):
        yield "a line half done or missing"
    if any(line.event != PROMOTED for line in ledger.lines):
        yield "a line of nobody"
    if any(
        line.replaced != before
        for line, before in zip(
            ledger.lines[1:], [line.champion for line in ledger.lines], strict=False
        )
    ):
        yield "a line that replaced another than the champion before"
    lines = Counter(line.decision for line in ledger.lines)
    expected = {"promoted": {1}, "refused": {0}, "killed": {0, 1}}
    if any(lines[decision] not in expected[ended] for decision, ended in decisions.items()):
        yield "a promotion without its line, or with two"


def one_race(
    number: int,
    racers: list[Racer],
    candidates: list[str],
    half: str,
    chance: random.Random,
    found: Found,
) -> list[str]:
    """Let two promote at once, perhaps kill one, and return what is wrong then."""
    champion = mlflow_client.version_with_alias(RACED, mlflow_client.CHAMPION)
    chosen = chance.sample([version for version in candidates if version != champion], 2)
    if number % HALF_EVERY == 0:
        chosen[1] = half
    ended = {f"race {number} {racer_number}": "killed" for racer_number in range(2)}
    waiting = {racer.commands: decision for racer, decision in zip(racers, ended, strict=True)}
    for racer, version, decision in zip(racers, chosen, ended, strict=True):
        racer.commands.send((version, decision, chance.uniform(0, 0.02)))
    kill_at = (
        time.monotonic() + chance.uniform(0, LATEST_KILL_SECONDS)
        if number % KILLED_EVERY == 0
        else None
    )
    faults: list[str] = []
    while waiting:
        for answered in wait(list(waiting), timeout=0.1):
            assert isinstance(answered, Connection)
            ended[waiting.pop(answered)], overtaken = answered.recv()
            found.overtaken += overtaken
        faults += faults_now()
        found.looks += 1
        if kill_at and time.monotonic() > kill_at and racers[0].commands in waiting:
            racers[0].kill()
            waiting.pop(racers[0].commands)
            found.killed += 1
            racers[0] = Racer()
    with locked("champion", RACED):
        caught_up(RACED)
    return faults + list(faults_after(ended))


@contextmanager
def racing() -> Iterator[list[Racer]]:
    """Two racers that are gone afterwards."""
    racers = [Racer(), Racer()]
    try:
        yield racers
    finally:
        for racer in racers:
            racer.kill()


def raced(races: int, found: Found) -> None:
    """Make versions and race for the champion."""
    candidates = [model_version(f"key {i}") for i in range(VERSIONS)]
    half = model_version("half")
    mlflow_client.set_version_tag(RACED, half, COMPLETE, "")
    chance = random.Random(0)
    with racing() as racers:
        promoted(candidates[0], "first")
        for number in range(1, races + 1):
            faults = one_race(number, racers, candidates, half, chance, found)
            found.races += 1
            found.inconsistent += bool(faults)
            found.faults.update(faults)
            if number % 20 == 0:
                print(f"{number} races, {found.inconsistent} inconsistent", flush=True)
