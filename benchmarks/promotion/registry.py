"""How many versions and how many broken states come of registering and promoting at the same time.

Fifty registrations of one training, by threads of several processes at once
and some more afterwards: how many versions more than one that makes. Then two
hundred races: two processes promote a version of their own over the same
champion at the same moment, and compare anew if they were overtaken. In some
races one of them is killed on its way, in some its version is one that a
killed registration left. While a race goes on and after it, once the next
change has finished what a killed one left, it is counted whether the champion
is a complete version, is the one of the ledger, and whether each promotion
that was carried out is a line, once, behind the one that it replaced.
``python -m benchmarks.promotion.registry`` prints both and keeps them.
"""

import argparse
import json
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
from threading import Thread

from benchmarks.data.prune import NAME, TRAINING, done, grow, own_mlflow, write_catalog
from benchmarks.data.real_sets import own_store
from benchmarks.lib.figures import Figure, figure, write
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.promotion.champions import ChampionChangedError, caught_up, settle
from tasks.promotion.ledger import PROMOTED, Ledger
from tasks.register import register
from tasks.registry import mlflow_client
from tasks.registry.versions import COMPLETE, is_complete, make_version, version_info, versions_of
from tasks.settings import read_settings
from tasks.store.artifacts import Checkpoint, ModelVersion, Scores, TokenSet
from tasks.store.locks import locked
from tasks.tokenize import tokenize
from tasks.train import train

COMMAND = "python -m benchmarks.promotion.registry"
# 50 registrations
PROCESSES = 4
THREADS = 5
TIMES = 2
AFTERWARDS = 10
RACES = 200
KILLED_EVERY = 8
HALF_EVERY = 10
RACED = "raced"
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
Trained = tuple[Checkpoint, TokenSet, Scores]


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


def trained(folder: Path) -> Trained:
    """A small training, scored."""
    catalog = write_catalog(folder)
    grow(folder, 0)
    settings = read_settings({"tokens": {"min_frequency": 1}, "training": TRAINING})
    tokens = done(tokenize.fn(done(ingest.fn(NAME, str(catalog))), settings.tokens, str(catalog)))
    checkpoint = done(train.fn(tokens, settings.training))
    return checkpoint, tokens, done(evaluate.fn(checkpoint, tokens))


def register_often(made: Trained, answers: Connection) -> None:
    """Register the same training in several threads, several times, and send the versions."""
    found: list[str] = []

    def work() -> None:
        for _ in range(TIMES):
            found.append(done(register.fn(*made)).version)

    threads = [Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.send(found)


def registered(made: Trained) -> tuple[int, int]:
    """Numbers of registrations, and of surplus versions and inconsistent answers."""
    pipes = [Fork.Pipe() for _ in range(PROCESSES)]
    processes = []
    for _, end in pipes:
        processes.append(Fork.Process(target=register_often, args=(made, end), daemon=True))
        processes[-1].start()
    answers = [number for ours, _ in pipes for number in ours.recv()]
    for process in processes:
        process.join()
    answers += [done(register.fn(*made)).version for _ in range(AFTERWARDS)]
    return len(answers), len(versions_of(NAME)) - 1 + len(set(answers)) - 1


def race(commands: Connection) -> None:
    """Promote what one is told to, over whoever is champion, and answer what came of it."""
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
        (Path(folder) / "weights.bin").write_bytes(bytes(100))
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    return make_version(RACED, key, model.model_id, run_id, tags={}, files={"weights.bin": 100})


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
    ended = {f"race {number} {place}": "killed" for place in range(2)}
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


def measure(races: int = RACES) -> Found:
    """Register and race in a store of the benchmark's own."""
    found = Found()
    Fork.set_forkserver_preload(["benchmarks.data.prune", "tasks.promotion.champions"])
    with own_store() as folder, own_mlflow():
        found.registrations, found.extra = registered(trained(folder))
        print(f"{found.registrations} registrations, {found.extra} versions too many", flush=True)
        raced(races, found)
    return found


def figures(found: Found | None = None) -> list[Figure]:
    """What is measured as figures with their goals."""
    found = found or measure()
    wrong = "; ".join(f"{kind}: {num}" for kind, num in found.faults.items())
    return [
        figure(
            "extra_versions",
            found.extra,
            unit="versions",
            goal=0,
            better="lower",
            command=COMMAND,
            note=f"of {found.registrations} registrations of a training, "
            f"{PROCESSES * THREADS} at once in {PROCESSES} processes",
        ),
        figure(
            "inconsistent_races",
            found.inconsistent,
            unit="races",
            goal=0,
            better="lower",
            command=COMMAND,
            note=f"of {found.races} between two promoters, {found.killed} of whom were "
            f"killed, {found.overtaken} overtaken" + (f"; {wrong}" if wrong else ""),
        ),
    ]


def main() -> None:
    """Print and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--races", type=int, default=RACES, help="fewer are not kept")
    races = parser.parse_args().races
    found = measure(races)
    print(
        json.dumps(
            {
                "looks while racing": found.looks,
                "killed": found.killed,
                "overtaken": found.overtaken,
            }
        )
    )
    for item in figures(found):
        print(f"{item.figure}: {item.value:g} {item.unit} (goal {item.goal:g}); {item.note}")
    if races >= RACES:
        write("promotion", figures(found))


if __name__ == "__main__":
    main()
