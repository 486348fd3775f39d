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
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

from benchmarks.data.grown_store import NAME, TRAINING, done, grow, own_mlflow, write_catalog
from benchmarks.data.real_sets import own_store
from benchmarks.lib.figures import Figure, figure, write
from benchmarks.promotion.races import RACES, Fork, Found, raced
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.register import register
from tasks.registry.versions import versions_of
from tasks.settings import read_settings
from tasks.store.artifacts import Checkpoint, Scores, TokenSet
from tasks.tokenize import tokenize
from tasks.train import train

COMMAND = "python -m benchmarks.promotion.registry"


# 50 registrations
PROCESSES = 4


THREADS = 5


TIMES = 2


AFTERWARDS = 10


Trained = tuple[Checkpoint, TokenSet, Scores]


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


def measure(races: int = RACES) -> Found:
    """Register and race in a store of the benchmark's own."""
    found = Found()
    Fork.set_forkserver_preload(["benchmarks.promotion.races", "tasks.promotion.champions"])
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
