"""Shared fixtures: a separate store, no network, and rows in a made-up language."""

import atexit
import contextlib
import gc
import os
import random
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from xdist.scheduler import LoadScopeScheduling

from tests.databases import MLFLOW, PREFECT, make_databases

if TYPE_CHECKING:
    from tests.tasks.served import Served

# Before Prefect or MLflow is imported anywhere: nothing of the user's is read or written.
for name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_", "REFRAIN_"))]:
    del os.environ[name]
os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "240"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
# Programs that the tests start would compile thousands of modules each time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# As commands do: refrain/garbage_collection.py has the reason.
gc.set_threshold(50_000)
atexit.register(gc.freeze)
# No test needs a file after a power cut, and on a busy disk a flush may take seconds. Tests of
# durable writes record the calls; programs that the tests start flush as ever.
os.fsync = lambda descriptor: None
# Before torch is imported; refrain/environment.py has the reason.
os.environ["GOMP_SPINCOUNT"] = "2000"
# Each process of the tests has one core, and so have the programs that it starts.
os.environ["OMP_NUM_THREADS"] = "1"

# Modules whose tests start programs of ours.
PROGRAMS = (
    "test_interruption.py",
    "test_surroundings.py",
    "test_retraining.py",
    "test_command_line.py",
    "test_isolation.py",
    "test_telemetry.py",
    "test_install.py",
)
GOOD, BAD, PLAIN = (
    ("lumo", "sela", "nuri"),
    ("grak", "dosh", "vek"),
    ("ta", "mi", "ro", "ku", "pe", "so", "li", "da"),
)
NAMES = ("Kalo Bren", "Ursa", "Tembo Sil", "Fara")


# Fixtures that train, or start servers or programs.
END_TO_END = {"up", "bin_folder", "engine", "line", "served_store", "shared", "made", "screens"}
# Tests that share a fixture of a session which costs many seconds run in one process of
# pytest-xdist, as do all tests of one file.
GROUPS = {
    # Prefect's engine
    "tests/flows/": "engine",
    "tests/refrain/test_command_line.py": "engine",
    "tests/tasks/pages/test_run_pages.py": "engine",
    # a registered model of every problem
    "tests/tasks/inference/": "served",
    "tests/tasks/monitoring/test_logged_predictions.py": "served",
    "tests/tasks/pages/test_model_card.py": "served",
    "tests/tasks/pages/test_run_figures.py": "served",
    "tests/tasks/promotion/test_parity.py": "served",
    "tests/tasks/registry/test_registered_model.py": "served",
    "tests/tasks/scoring/test_raw_text.py": "served",
    "tests/tasks/serving/": "served",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures, and start the files that take minutes first.

    pytest-xdist starts files with many tests first; a file that starts servers has few, and at
    the end one process would wait for it alone.
    """
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if names & END_TO_END or item.path.name in PROGRAMS:
            item.add_marker("e2e")
        if "server" in names and "sql" in item.path.name:
            item.add_marker("postgres")
    heavy = {group_of(item.nodeid) for item in items if item.get_closest_marker("e2e")}
    items.sort(key=lambda item: group_of(item.nodeid) not in heavy)


def group_of(nodeid: str) -> str:
    """Return the group of files that run in one process, or the file."""
    path = nodeid.partition("::")[0]
    groups = (group for prefix, group in GROUPS.items() if path.startswith(prefix))
    return next(groups, path)


class FileScheduling(LoadScopeScheduling):
    """Send all tests of a file, or of a group of files, to the same process.

    pytest-xdist 3.8 has marks for groups, but it writes them to a field that pytest 9.2 lacks.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    """Choose the scheduler of pytest-xdist."""
    return FileScheduling(config, log)


# A catalog entry of reviews in a file of the catalog's folder.
ENTRY: dict[str, object] = {
    "problem": "sentiment",
    "language": "xx",
    "licence": "ours",
    "origin": "made for the tests",
    "source": {"kind": "files", "paths": {"all": "rows.csv"}},
    "format": {"kind": "csv"},
    "columns": {"text": "text", "label": "label"},
    "splits": {"validation": 0.2, "test": 0.3},
    "tokenizer": "words",
}


def made_reviews(num: int, seed: int) -> list[tuple[str, str]]:
    """Texts with a positive and a negative word, the later of which is the label.

    Neutral words surround both, so neither a bag of words nor n-grams can predict it.
    """
    chance = random.Random(seed)
    rows = []
    for i in range(num):
        label = ("neg", "pos")[i % 2]
        decisive = [GOOD[0], BAD[0]] if label == "neg" else [BAD[0], GOOD[0]]
        first, between, last = (chance.choices(PLAIN, k=chance.randint(1, 2)) for _ in range(3))
        words = [*first, decisive[0], *between, decisive[1], *last]
        rows.append((" ".join([f"n{i}", *words]), label))
    return rows


def write_reviews(path: Path, num: int = 400, seed: int = 0) -> None:
    """Write reviews as CSV."""
    path.write_text(
        "text,label\n" + "".join(f"{text},{label}\n" for text, label in made_reviews(num, seed))
    )


def write_tagged(path: Path, num: int = 240, seed: int = 0) -> None:
    """Write sentences with names, one token a line, BIO tags behind it."""
    chance, lines = random.Random(seed), []
    for i in range(num):
        for word in [f"n{i}", *chance.choices(PLAIN, k=chance.randint(1, 5))]:
            lines.append(f"{word} O")
        for place, word in enumerate(chance.choice(NAMES).split()):
            lines.append(f"{word} {'B' if place == 0 else 'I'}-PER")
        lines += [f"{word} O" for word in chance.choices(PLAIN, k=chance.randint(0, 3))] + [""]
    path.write_text("\n".join(lines))


def write_pairs(path: Path, num: int = 300, seed: int = 0) -> None:
    """Write pairs: the target has the source's words in capitals, in the same order."""
    chance = random.Random(seed)
    texts = {
        " ".join(chance.choices([*PLAIN, *GOOD, *BAD], k=chance.randint(2, 5)))
        for _ in range(num * 2)
    }
    path.write_text("".join(f"{text}\t{text.upper()}\n" for text in sorted(texts)[:num]))


def write_ratings(path: Path, num: int = 300, seed: int = 0) -> None:
    """Write texts rated 2.5, plus a half for each good word, minus a half for each bad one."""
    chance = random.Random(seed)
    rows = []
    for i in range(num):
        good = chance.choices(GOOD, k=chance.randint(0, 3))
        bad = chance.choices(BAD, k=chance.randint(0, 3))
        words = [f"n{i}", *good, *bad, *chance.choices(PLAIN, k=2)]
        chance.shuffle(words)
        rows.append(f"{' '.join(words)},{2.5 + 0.5 * (len(good) - len(bad))}\n")
    path.write_text("text,stars\n" + "".join(rows))


def write_tunes(path: Path, num: int = 200, seed: int = 0) -> None:
    """Write tunes of four bars in one of two meters, each with its own bars."""
    chance, tunes = random.Random(seed), []
    for i in range(num):
        meter, parts = (("6/8", ("GAB", "d2B", "AGA", "B3")), ("2/4", ("GA", "B2", "dB", "AG")))[
            i % 2
        ]
        music = "|".join("".join(chance.choices(parts, k=2)) for _ in range(4))
        tunes.append(f"X:{i}\nT:Lumo\nM:{meter}\nL:1/8\nK:G\n{music}|]\n")
    path.write_text("\n".join(tunes))


def entry(problem: str, wheel: Path, sha256: str, member: str) -> dict[str, object]:
    """A catalog entry for rows that lie in a package file."""
    shapes: dict[str, dict[str, object]] = {
        "sentiment": {
            "format": {"kind": "csv"},
            "columns": {"text": "text", "label": "label"},
            "tokenizer": "words",
        },
        "regression": {
            "format": {"kind": "csv"},
            "columns": {"text": "text", "score": "stars"},
            "tokenizer": "words",
        },
        "ner": {
            "format": {"kind": "conll"},
            "columns": {"tokens": 0, "tags": 1},
            "tokenizer": "words",
        },
        "translation": {
            "format": {"kind": "tsv", "header": False, "quote": False},
            "columns": {"source": 0, "target": 1},
            "tokenizer": "bpe",
        },
        "generation": {
            "format": {"kind": "abc"},
            "columns": {"text": "tune", "label": "M"},
            "tokenizer": "characters",
        },
    }
    source = {
        "kind": "package",
        "package": "made-up",
        "version": "1.0",
        "file": wheel.name,
        "sha256": sha256,
    }
    return {
        "problem": problem,
        "language": "xx",
        "licence": "ours",
        "origin": "made for the tests",
        "source": source | {"members": {"all": member}},
        "splits": {"validation": 0.15, "test": 0.2},
        **shapes[problem],
    }


@pytest.fixture(scope="session", autouse=True)
def quick_commits() -> None:
    """Commit to SQLite without waiting for the disk, as for ``os.fsync`` above."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def set_synchronous(connection: Any, record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            # A damaged or locked database is left to the test.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session")
def databases(pytestconfig: pytest.Config) -> Path:
    """A folder with databases of MLflow and Prefect without content."""
    assert pytestconfig.cache
    return make_databases(pytestconfig.cache.mkdir("databases"))


@pytest.fixture(scope="session")
def engine(databases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prefect's embedded engine on a temporary database; it takes seconds to start."""
    from prefect.testing import utilities

    folder = tmp_path_factory.mktemp("engine")
    shutil.copy(databases / PREFECT, folder / "prefect-test.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utilities, "mkdtemp", lambda: str(folder))  # where the harness looks for it
        with utilities.prefect_test_harness(server_startup_timeout=240):
            yield


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate empty store for the test."""
    home = tmp_path / "store"
    monkeypatch.setenv("REFRAIN_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def empty_mlflow(databases: Path) -> Path:
    """The database of an MLflow without a model."""
    return databases / MLFLOW


@pytest.fixture
def mlflow_store(store: Path, empty_mlflow: Path) -> Path:
    """A store with such an MLflow."""
    store.mkdir()
    shutil.copy(empty_mlflow, store / "mlflow.db")
    return store


@pytest.fixture(scope="session")
def served_store(
    empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, "Served"]]:
    """A store with a registered model of every problem."""
    from tests.tasks.served import TABLES, served

    home = tmp_path_factory.mktemp("served")
    (home / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(home))
        made = {problem: served(problem) for problem in TABLES}
    return home, made


@pytest.fixture
def models(
    served_store: tuple[Path, dict[str, "Served"]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, "Served"]:
    """The same, with REFRAIN_HOME set to the store during a test."""
    monkeypatch.setenv("REFRAIN_HOME", str(served_store[0]))
    return served_store[1]


@pytest.fixture(scope="session")
def made_package(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A package file with rows for every problem, in a folder that is an index, and its catalog."""
    import hashlib
    import zipfile

    folder = tmp_path_factory.mktemp("index")
    writers = {
        "sentiment": write_reviews,
        "regression": write_ratings,
        "ner": write_tagged,
        "translation": write_pairs,
        "generation": write_tunes,
    }
    for problem, write in writers.items():
        write(folder / problem)
    wheel = folder / "made_up-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for problem in writers:
            archive.write(folder / problem, f"made_up/{problem}.txt")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    catalog = {f"made_{p}": entry(p, wheel, sha256, f"made_up/{p}.txt") for p in writers}
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(catalog))
    return folder, path


@pytest.fixture
def made_catalog(made_package: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The catalog of the made-up package, with pip pointed at its folder and nowhere else."""
    folder, catalog = made_package
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_INDEX_URL", folder.as_uri())
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    return catalog


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """Fail a test that leaves a variable behind: a later test, and its programs, would read it."""
    before = own_variables()
    yield
    left = {name for name, _ in own_variables().items() ^ before.items()}
    assert not left, f"the test changed {', '.join(sorted(left))}"


def own_variables() -> dict[str, str]:
    """The variables that name a store, a server or a temporary folder."""
    prefixes = ("REFRAIN_", "MLFLOW_TRACKING", "MLFLOW_EXPERIMENT", "PREFECT_API", "TMPDIR")
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


@pytest.fixture(autouse=True)
def no_network(same_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that reaches out: connections to this machine only."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "unix"
        if host not in ("127.0.0.1", "::1", "localhost", "unix"):
            raise OSError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
