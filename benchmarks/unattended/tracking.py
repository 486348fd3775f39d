"""MLflow as a person sees it: metrics, their cost, and the pages of runs, models and versions.

``python -m benchmarks.unattended.tracking`` retrains a tiny dataset of each problem, one of them
for three minutes, counts keys and points in MLflow, and visits the pages in Chromium. Their
screenshots are in ``--images``. ``--minutes 0.2`` shortens it; ``--dry`` writes nothing.
"""

import argparse
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import Value
from pathlib import Path
from typing import Any
from unittest.mock import patch

from playwright.sync_api import Page, sync_playwright

import tasks.promote as promotion_stage
import tasks.train as training_stage
from benchmarks.data.real_sets import own_store
from benchmarks.lib.figures import Figure, figure, require_clean_tree, write
from benchmarks.reliability.line import retrain_line
from benchmarks.reliability.outcome import fine_figure
from benchmarks.reliability.servers import environment_of
from benchmarks.reliability.tiny_sets import SHAPES, TRAINING, dataset_of, write_sets
from benchmarks.speed.stopwatch import watched
from refrain.services import free_port, running, start, wait_for
from refrain.up import mlflow_command, mlflow_environment
from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from tasks.registry.tracked_run import MetricPoints
from tasks.registry.training_run import start_run
from tasks.settings import read_settings
from tasks.store.artifacts import Promotion, TokenSet

COMMAND = "python -m benchmarks.unattended.tracking"
CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_SECONDS = 60.0
DRAW_MILLISECONDS = 2_000
LONG_STEPS = 200_000
LONG_EPOCHS = 20
MACHINE_LEARNING = "?workflowType=machine_learning"


def retrained(problem: str, **changes: Any) -> Promotion:
    """Retrain the tiny dataset of a problem."""
    settings = read_settings(
        {"tokens": {"min_frequency": 1}, "training": {**TRAINING, "max_epochs": 12, **changes}}
    )
    return retrain_line(dataset_of(problem), settings, Value("i", 0))


def all_problems(folder: Path) -> dict[str, Promotion]:
    """Retrain every problem, and one of them again with more rows."""
    write_sets(folder)
    found = {problem: retrained(problem) for problem in SHAPES}
    path = folder / "sentiment"
    path.write_text(path.read_text() + "".join(f"more{n} nego ta,neg\n" for n in range(40)))
    found["sentiment"] = retrained("sentiment", seed=2, max_epochs=20)
    return found


def log_long_training(made: Promotion, store: Path) -> None:
    """Log a training of very many steps, which nobody computed."""
    manifest = next((store / "tokens").glob(f"{made.dataset}-*/manifest.json"))
    tokens = TokenSet.find(made.dataset, manifest.parent.name.rpartition("-")[2])
    assert tokens, "it was retrained"
    steps = [
        TrainingStep(1 + n * LONG_EPOCHS // LONG_STEPS, n, 1 / (1 + n), 1.0, n % 9 == 0, 0.1, 99.0)
        for n in range(LONG_STEPS)
    ]
    size = LONG_STEPS // LONG_EPOCHS
    epochs = [Epoch(n + 1, (n + 1) * size - 1, 1.0, 1.0, 0.1, 9.0) for n in range(LONG_EPOCHS)]
    points = MetricPoints(start_run(tokens, {}, {}), "accuracy")
    points.add_history(TrainingHistory(steps=steps, epochs=epochs))
    assert points.spool.close(PATIENCE_SECONDS), points.spool.failure


def counted(database: Path) -> tuple[int, int]:
    """Count the most keys of a run, and the most points of a key."""
    with closing(sqlite3.connect(database)) as connection:
        keys = connection.execute(
            "SELECT MAX(n) FROM (SELECT COUNT(DISTINCT key) AS n FROM metrics GROUP BY run_uuid)"
        ).fetchone()[0]
        points = connection.execute(
            "SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM metrics GROUP BY run_uuid, key)"
        ).fetchone()[0]
    return int(keys), int(points)


@contextmanager
def timed(owner: Any, name: str, seconds: list[float]) -> Iterator[None]:
    """Add up the time that a function takes."""
    function = getattr(owner, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - started)

    with patch.object(owner, name, run):
        yield


def logging_share(minutes: float) -> float:
    """Return the share of a training's time that goes to MLflow, with pages and figures."""
    pages: list[float] = []
    started = time.perf_counter()
    with (
        watched() as watch,
        timed(training_stage, "finish_log", pages),
        timed(promotion_stage, "keep_run_page", pages),
    ):
        retrained("sentiment", seed=3, max_epochs=100_000, max_minutes=minutes, patience=9**9)
    print(f"a retraining of {time.perf_counter() - started:.0f} s; {dict(watch.seconds)}; {pages}")
    spent = watch.seconds["logging"] + sum(pages)
    return spent / sum(watch.seconds.values())


def visit(page: Page, address: str, expected: list[str], image: Path) -> bool:
    """Open a page, wait until it shows some texts, and take a screenshot."""
    page.goto("about:blank")  # else only the part after # changes, and the page stays
    page.goto(address)
    deadline = time.monotonic() + PATIENCE_SECONDS
    missing = expected
    while missing and time.monotonic() < deadline:
        page.wait_for_timeout(DRAW_MILLISECONDS)
        text = page.locator("body").inner_text()
        missing = [each for each in expected if each not in text]
    page.wait_for_timeout(DRAW_MILLISECONDS)  # figures come after the texts
    page.screenshot(path=image)
    print(f"{'FAILED' if missing else 'holds '}  {image.stem}  {missing or ''}", flush=True)
    return not missing


def visits(made: dict[str, Promotion], server: str, images: Path) -> Iterator[bool]:
    """Visit run, figures, model and version of each problem."""
    from tasks.registry.mlflow_client import client

    images.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        for problem, promotion in made.items():
            number = client().get_run(promotion.mlflow_run).info.experiment_id
            run = f"{server}/#/experiments/{number}/runs/{promotion.mlflow_run}"
            look = partial(visit, page)
            expected = [
                "Settings that differ",
                "on the test split",
                "refrain.version",
                "train/loss",
            ]
            yield look(f"{run}{MACHINE_LEARNING}", expected, images / f"{problem}-run.png")
            yield look(
                f"{run}/model-metrics{MACHINE_LEARNING}",
                ["train", "validation"],
                images / f"{problem}-metrics.png",
            )
            for item in client().list_artifacts(promotion.mlflow_run, "figures"):
                yield look(
                    f"{run}/artifacts/{item.path}{MACHINE_LEARNING}",
                    [item.path],
                    images / f"{problem}-{Path(item.path).stem}.png",
                )
            model = f"{server}/#/models/{promotion.dataset}"
            yield look(
                f"{model}{MACHINE_LEARNING}", ["Description"], images / f"{problem}-model.png"
            )
            yield look(
                f"{model}/versions/{promotion.version}{MACHINE_LEARNING}",
                ["How to call it"],
                images / f"{problem}-version.png",
            )
        browser.close()


def shown(made: dict[str, Promotion], store: Path, catalog: Path, images: Path) -> bool:
    """Start MLflow's server on the store, and visit all pages."""
    port = free_port()
    server = f"http://127.0.0.1:{port}"
    environment = environment_of(store, catalog, mlflow_environment())
    with running([start("mlflow-server", mlflow_command(port), environment)]) as services:
        wait_for(f"{server}/health", services[0], services)
        return all([*visits(made, server, images)])


def measure(minutes: float, images: Path) -> tuple[list[Figure], bool]:
    """Retrain, count, measure the cost, and visit the pages."""
    with own_store() as store:
        catalog = store / "rows" / "catalog.yaml"
        with patch.dict("os.environ", {"REFRAIN_CATALOG": str(catalog)}):
            made = all_problems(store / "rows")
            is_right = shown(made, store, catalog, images)
            share = logging_share(minutes)
            log_long_training(made["sentiment"], store)
        keys, points = counted(store / "mlflow.db")
    about = partial(figure, better="lower", command=COMMAND)
    return [
        about("metric_keys", keys, unit="keys", goal=40, note="most in a run, of each problem"),
        about(
            "metric_points",
            points,
            unit="points",
            goal=2000,
            note=f"most of a key, with a training of {LONG_STEPS:,} steps",
        ),
        fine_figure(
            "logging_cost_share",
            share,
            unit="of the time",
            goal=0.02,
            better="lower",
            command=COMMAND,
            note=f"of a training of {minutes:g} minutes, with descriptions and figures",
        ),
    ], is_right


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="of the timed training")
    parser.add_argument("--images", type=Path, default=Path("/tmp/tracking-images"))
    parser.add_argument("--dry", action="store_true", help="write no figures")
    chosen = parser.parse_args()
    if not chosen.dry:
        require_clean_tree()
    figures, is_right = measure(chosen.minutes, chosen.images)
    for each in figures:
        print(f"{each.figure}: {each.value:g} {each.unit} (goal {each.goal:g}); {each.note}")
    if not chosen.dry:
        write("unattended", figures)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
