"""Datasets in the hub's layout: in a folder, and served over HTTP by a hub in the test."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import RowError
from data.sources.base import Access, Partition
from data.sources.hub import BATCH_ROWS, SOURCE, Hub, HubError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
COLUMNS = {"text": "text", "label": "label"}
REVIEWS = """---
configs:
- config_name: reviews
  default: true
  data_files:
  - {split: train, path: data/train-*}
  - {split: test, path: data/test-*}
- config_name: tests
  data_files:
  - {split: train, path: data/test-*}
dataset_info:
- config_name: reviews
  features:
  - {name: text, dtype: string}
  - {name: label, dtype: {class_label: {names: {'0': neg, '1': pos}}}}
  - {name: stars, dtype: int64}
---
Reviews made up for the tests.
"""
TAGGED = """---
configs:
- config_name: names
  data_files: names.jsonl
- config_name: pairs
  data_files: pairs.jsonl
dataset_info:
- config_name: names
  features:
  - {name: tokens, sequence: string}
  - name: tags
    sequence: {class_label: {names: {'0': O, '1': B-PER}}}
---
Names and pairs made up for the tests.
"""


def write_reviews(folder: Path) -> Path:
    """Parquet in two splits and two configurations, with class labels."""
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text(REVIEWS)
    rows = {
        "train-00000-of-00002": [("lumo ta", 1), ("grak mi", 0)],
        "train-00001-of-00002": [("vek — łódź 😀", -1)],
        "test-0": [(None, None)],
    }
    for name, pairs in rows.items():
        texts = pa.array([text for text, _ in pairs], pa.string())
        labels = pa.array([label for _, label in pairs], pa.int64())
        pq.write_table(
            pa.table({"text": texts, "label": labels, "stars": labels}),
            folder / f"data/{name}.parquet",
        )
    return folder


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSON lines: tags with their types declared, pairs without any."""
    folder = tmp_path_factory.mktemp("tagged")
    (folder / "README.md").write_text(TAGGED)
    names = [
        {"tokens": ["ta", "Ursa"], "tags": [0, 1]},
        {"tokens": [], "tags": []},
        {"tokens": None, "tags": None},
        {"tokens": ["mi"], "tags": [0]},
    ]
    pairs = [{"translation": {"en": "ta", "de": "TA"}}, {"translation": {"en": "mi", "de": None}}]
    for name, rows in {"names": names, "pairs": pairs}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("published") / "made-up")


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(tmp_path / "downloads")


def read(source: Hub, columns: dict[str, str], access: Access) -> list[tuple[Any, ...]]:
    tables = [
        table
        for piece in source.pieces(access, [])
        for table in source.tables(piece, columns, access)
    ]
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


def test_source_is_found_by_its_kind_and_needs_no_format() -> None:
    assert SOURCE is Hub
    assert not Hub.has_format


def test_folder_is_read_by_split_with_test_before_train(folder: Path, access: Access) -> None:
    source = Hub(dataset=str(folder), members={"train": "train", "test": "test"})
    assert [(piece.split, piece.name) for piece in source.pieces(access, [])] == [
        ("test", f"{folder}, test"),
        ("train", f"{folder}, train"),
    ]
    assert read(source, COLUMNS, access) == [
        (None, None),
        ("lumo ta", "pos"),
        ("grak mi", "neg"),
        ("vek — łódź 😀", None),
    ]


def test_numbers_without_class_names_stay_numbers(folder: Path, access: Access) -> None:
    assert read(Hub(dataset=str(folder), members={"all": "train"}), {"label": "stars"}, access) == [
        (1,),
        (0,),
        (-1,),
    ]


def test_tags_are_returned_as_names(tagged: Path, access: Access) -> None:
    rows = read(
        Hub(dataset=str(tagged), name="names", members={"all": "train"}),
        {"tokens": "tokens", "tags": "tags"},
        access,
    )
    assert rows == [(["ta", "Ursa"], ["O", "B-PER"]), ([], []), (None, None), (["mi"], ["O"])]


def test_dots_select_fields_of_structs(tagged: Path, access: Access) -> None:
    source = Hub(dataset=str(tagged), name="pairs", members={"all": "train"})
    assert read(source, {"source": "translation.en", "target": "translation.de"}, access) == [
        ("ta", "TA"),
        ("mi", None),
    ]


def test_ambiguous_configuration_raises(tagged: Path, tmp_path: Path, access: Access) -> None:
    folder = Path(shutil.copytree(tagged, tmp_path / "tagged"))
    (folder / "README.md").write_text(TAGGED.partition("dataset_info")[0] + "---\n")
    with pytest.raises(RowError, match=r"among the available configs: \['names', 'pairs'\]"):
        read(Hub(dataset=str(folder), members={"all": "train"}), COLUMNS, access)


def test_many_rows_are_read_in_batches(tmp_path: Path, access: Access) -> None:
    num = 2 * BATCH_ROWS + 5
    (tmp_path / "many").mkdir()
    pq.write_table(
        pa.table({"text": [f"text {i}" for i in range(num)]}),
        tmp_path / "many/train.parquet",
        row_group_size=3000,
    )
    source = Hub(dataset=str(tmp_path / "many"), members={"all": "train"})
    tables = list(source.tables(source.pieces(access, [])[0], {"text": "text"}, access))
    assert [table.num_rows for table in tables] == [BATCH_ROWS, BATCH_ROWS, 5]
    assert pa.concat_tables(tables)["text"].to_pylist() == [f"text {i}" for i in range(num)]


def test_version_of_a_folder_changes_with_its_files(tmp_path: Path, access: Access) -> None:
    folder = write_reviews(tmp_path / "made-up")
    source = Hub(dataset=str(folder), members={"all": "train"})
    first = source.pieces(access, [])
    (folder / ".cache").mkdir()
    (folder / ".cache/lock").write_text("not of the dataset")
    assert source.pieces(access, first) == first
    os.utime(folder / "data/test-0.parquet", (1, 1))
    assert source.pieces(access, first)[0].version != first[0].version


def test_version_of_a_repository_is_its_commit_without_a_request(access: Access) -> None:
    source = Hub(dataset="ours/made-up", name="names", revision=COMMIT, members={"all": "train"})
    assert source.pieces(access, []) == [
        Partition(split="all", name="ours/made-up (names), train", version=COMMIT)
    ]


@pytest.mark.parametrize(
    ("fields", "columns", "message"),
    [
        ({}, {"text": "txt"}, r"'txt'.*did you mean text\?"),
        ({"members": {"all": "dev"}}, COLUMNS, "has no split 'dev': expected one of: test, train"),
        ({"name": "review"}, COLUMNS, r"'review' not found. Available: \['reviews', 'tests'\]"),
        ({"dataset": "./none-such"}, COLUMNS, "there is no folder none-such"),
    ],
)
def test_missing_split_or_column_raises_with_its_name(
    folder: Path, access: Access, fields: dict[str, Any], columns: dict[str, str], message: str
) -> None:
    with pytest.raises(RowError, match=message):
        read(
            Hub(**{"dataset": str(folder), "members": {"all": "train"}, **fields}), columns, access
        )


def test_broken_file_raises_row_error(tmp_path: Path, access: Access) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/train.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(RowError, match="cannot be read"):
        read(Hub(dataset=str(tmp_path / "broken"), members={"all": "train"}), COLUMNS, access)


def test_code_in_a_folder_is_not_run(tmp_path: Path, access: Access) -> None:
    folder = write_reviews(tmp_path / "made-up")
    (folder / "made-up.py").write_text("raise SystemExit('this was run')\n")
    with pytest.raises(RowError, match="scripts are no longer supported"):
        read(Hub(dataset=str(folder), members={"all": "train"}), COLUMNS, access)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"revision": ""},
            r"must be a full commit of 40 hexadecimal digits, got ''.*'History'.*write "
            r"\./ours/made-up",
        ),
        ({"revision": "main"}, "a branch or a tag may move"),
        ({"revision": COMMIT[:8]}, "got '01234567'"),
        ({"dataset": "csv"}, "must be owner/name, or a folder"),
        ({"dataset": "./made-up"}, "revision has no meaning for the folder"),
        ({"token": "hf_hunter2"}, r"must name a secret, as \$\{env:HF_TOKEN\}"),
    ],
)
def test_invalid_entry_raises(fields: dict[str, str], message: str) -> None:
    with pytest.raises(RowError, match=message) as caught:
        Hub(
            **{"dataset": "ours/made-up", "revision": COMMIT, "members": {"all": "train"}, **fields}
        )  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


def test_missing_network_raises_at_once(access: Access) -> None:
    source = Hub(dataset="ours/made-up", revision=COMMIT, members={"all": "train"})
    began = time.monotonic()
    with pytest.raises(
        HubError,
        match=r"cannot read ours/made-up from the Hugging Face hub: .*\. Look at the network",
    ):
        read(source, COLUMNS, access)
    assert time.monotonic() - began < 15
    assert issubclass(HubError, OSError)


def test_missing_library_raises_with_its_name(
    folder: Path, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(RowError, match=r"pip install 'refrain-rnn\[hub\]'"):
        read(Hub(dataset=str(folder), members={"all": "train"}), COLUMNS, access)


class FakeHub(BaseHTTPRequestHandler):
    """A minimal hub: one private repository with one commit."""

    folder: Path
    token = "hf_secret"
    requested: list[tuple[str, str, str]]

    def do_GET(self) -> None:
        self.respond()

    def do_HEAD(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))

    def respond(self, form: dict[str, list[str]] | None = None) -> None:
        path = unquote(urlsplit(self.path).path)
        self.requested.append((self.command, path, self.headers.get("authorization", "")))
        api = "/api/datasets/ours/made-up/"
        files = f"/datasets/ours/made-up/resolve/{COMMIT}/"
        if self.headers.get("authorization") != f"Bearer {self.token}":
            self.send(
                b'{"error": "Repository not found"}', {"x-error-code": "RepoNotFound"}, status=401
            )
        elif path == f"{api}revision/{COMMIT}":
            self.send(json.dumps({"id": "ours/made-up", "sha": COMMIT, "siblings": []}).encode())
        elif path.startswith(f"{api}tree/{COMMIT}"):
            below = path.removeprefix(f"{api}tree/{COMMIT}").strip("/")
            if (self.folder / below).is_dir():
                inside = (
                    (self.folder / below).rglob("*")
                    if "recursive=True" in self.path
                    else (self.folder / below).iterdir()
                )
                self.send(json.dumps([self.info(item) for item in sorted(inside)]).encode())
            else:
                self.missing()
        elif path == f"{api}paths-info/{COMMIT}" and form:
            self.send(
                json.dumps(
                    [
                        self.info(item)
                        for name in form["paths"]
                        if (item := self.folder / name).exists()
                    ]
                ).encode()
            )
        elif path.startswith(files) and (self.folder / path.removeprefix(files)).is_file():
            self.send_file(self.folder / path.removeprefix(files))
        else:
            self.missing()

    def info(self, path: Path) -> dict[str, Any]:
        name = str(path.relative_to(self.folder))
        oid = hashlib.sha1(name.encode()).hexdigest()
        return {"path": name, "oid": oid} | (
            {"type": "directory"}
            if path.is_dir()
            else {"type": "file", "size": path.stat().st_size}
        )

    def missing(self) -> None:
        self.send(b'{"error": "Entry not found"}', {"x-error-code": "EntryNotFound"}, status=404)

    def send_file(self, path: Path) -> None:
        content = path.read_bytes()
        headers = {
            "x-repo-commit": COMMIT,
            "etag": f'"{hashlib.sha1(content).hexdigest()}"',
            "accept-ranges": "bytes",
        }
        if (requested := self.headers.get("range")) and self.command == "GET":
            first, _, last = requested.removeprefix("bytes=").partition("-")
            headers["content-range"] = f"bytes {first}-{last or len(content) - 1}/{len(content)}"
            self.send(content[int(first) : int(last or len(content)) + 1], headers, status=206)
        else:
            self.send(content, headers)

    def send(
        self, content: bytes, headers: dict[str, str] | None = None, *, status: int = 200
    ) -> None:
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def fake_hub(folder: Path) -> Iterator[tuple[str, type[FakeHub]]]:
    handler = type("Served", (FakeHub,), {"folder": folder, "requested": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


# In a process of its own: the libraries read the hub's address when they are imported.
SCRIPT = """
import json, os, sys
from pathlib import Path
from data.sources.base import Access
from data.sources.hub import Hub

token = os.environ.pop("TOKEN")
access = Access(
    Path(sys.argv[1]),
    lambda text: text.replace("${env:TOKEN}", token),
    lambda text: text.replace(token, "***"),
)
source = Hub(
    dataset="ours/made-up",
    revision=sys.argv[2],
    members={"all": "train"},
    token="${env:TOKEN}" if token else "",
)
try:
    tables = source.tables(source.pieces(access, [])[0], {"text": "text", "label": "label"}, access)
    rows = [row for table in tables for row in table.to_pylist()]
except Exception as error:
    rows = f"{type(error).__name__}: {error}"
print(json.dumps(rows))
"""


def read_apart(endpoint: str, home: Path, commit: str = COMMIT, token: str = FakeHub.token) -> Any:
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HF_") and "proxy" not in name.lower()
    }
    environ |= {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "TOKEN": token,
        "HF_TOKEN": "hf_of_somebody",
    }
    command = [sys.executable, "-c", SCRIPT, str(home / "downloads"), commit]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert token not in done.stdout + done.stderr or not token
    return json.loads(done.stdout.splitlines()[-1])


def test_private_repository_is_streamed_at_its_commit(
    fake_hub: tuple[str, type[FakeHub]], tmp_path: Path
) -> None:
    endpoint, served = fake_hub
    rows = read_apart(endpoint, tmp_path)
    assert [(row["text"], row["label"]) for row in rows] == [
        ("lumo ta", "pos"),
        ("grak mi", "neg"),
        ("vek — łódź 😀", None),
    ]
    assert {sent for _, _, sent in served.requested} == {f"Bearer {FakeHub.token}"}
    assert not [path for _, path, _ in served.requested if "telemetry" in path]
    got = {
        path.rpartition("/")[2]
        for method, path, _ in served.requested
        if method == "GET" and "/resolve/" in path
    }
    assert not [
        name for name in got if name.startswith("test") or name.endswith((".jsonl", ".py"))
    ]  # of what is read only
    assert not [
        path for path in tmp_path.rglob("*.parquet") if path.is_file()
    ]  # streamed, not stored


@pytest.mark.parametrize(
    ("commit", "token"), [(COMMIT, "hf_wrong"), (COMMIT, ""), (COMMIT[::-1], FakeHub.token)]
)
def test_refusal_of_the_hub_raises_row_error(
    fake_hub: tuple[str, type[FakeHub]], tmp_path: Path, commit: str, token: str
) -> None:
    endpoint, served = fake_hub
    message = read_apart(endpoint, tmp_path, commit, token)
    assert message.startswith("RowError: the hub does not give ours/made-up: ")
    assert message.endswith("Look at dataset, revision and token")
    assert {sent for _, _, sent in served.requested} == {
        f"Bearer {token}" if token else ""
    }  # no credentials of this machine
