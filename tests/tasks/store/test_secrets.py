"""Secrets: filled in where they are used, and hidden everywhere else."""

import json
import logging
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
import yaml

from data.errors import RowError
from data.sources.base import Access
from tasks.ingestion.catalog_entries import checked_entry
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog, piece_record
from tasks.store.secrets import Secrets
from tests.conftest import made_reviews
from tests.data.catalog.test_catalog import made_entry
from tests.data.sources.test_files_source import Served, served

__all__ = ["served"]  # a fixture
PASSWORD = "Gr@ak/Sé:la?&#1%"
TOKEN = "lumo+nuri=="


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    monkeypatch.setenv("MADE_PASSWORD", PASSWORD)
    monkeypatch.setenv("MADE_TOKEN", TOKEN)
    return Secrets()


def is_clean(text: str) -> bool:
    """Whether a text contains neither secret in any encoding."""
    forms = [
        form
        for secret in (PASSWORD, TOKEN)
        for form in (secret, quote(secret, safe=""), quote(secret), repr(secret)[1:-1])
    ]
    return not [
        form for form in (*forms, "Gr@ak", "Gr%40ak", "lumo+nuri", "lumo%2Bnuri") if form in text
    ]


def test_secret_names_are_replaced_by_values_and_values_by_names(secrets: Secrets) -> None:
    text = "https://reader:${env:MADE_PASSWORD}@host/a.csv?t=${env:MADE_TOKEN}"
    shown = secrets.reveal(text)
    assert shown == f"https://reader:{PASSWORD}@host/a.csv?t={TOKEN}"
    assert secrets.hide(shown) == "https://reader:***@host/a.csv?t=***"
    assert (
        secrets.hide(f"{json.dumps(PASSWORD)} {PASSWORD!r} {quote(TOKEN)}") == "\"***\" '***' ***"
    )
    assert secrets.hide(quote(PASSWORD, safe="").lower()) == "***"


def test_text_without_secret_names_is_not_changed(secrets: Secrets) -> None:
    assert secrets.reveal("s3://bucket/$x {env:A} ${other}") == "s3://bucket/$x {env:A} ${other}"
    assert secrets.hide(PASSWORD) == PASSWORD  # never revealed


def test_parts_of_a_secret_are_hidden_too(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MADE_ADDRESS", "https://reader:abc%2F1@host/a.csv?sig=d%2Fe&day=1\n")
    monkeypatch.setenv("MADE_CONNECTION", "AccountName=ours;AccountKey=f+g/h==;Protocol=http")
    secrets.reveal("${env:MADE_ADDRESS} ${env:MADE_CONNECTION}")
    assert (
        secrets.hide("user reader, password abc/1, got sig=d/e")
        == "user reader, password ***, got sig=***"
    )
    assert secrets.hide("key f+g/h== of ours") == "key *** of ours"


@pytest.mark.parametrize("value", [None, ""])
def test_missing_variable_raises_with_its_name(
    value: str | None, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("MADE_OTHER", value)
    message = (
        r"the environment has no variable 'MADE_OTHER', which the catalog names as "
        r"\$\{env:MADE_OTHER\}: set it where the flow"
    )
    with pytest.raises(RowError, match=message):
        secrets.reveal("${env:MADE_OTHER}")


def catalog(folder: Path, **source: Any) -> str:
    entry = made_entry() | {"source": {"kind": "files", **source}}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"mine": entry}))
    return str(folder / "mine.yaml")


def stored(home: Path) -> str:
    """All texts that an ingestion writes, except the rows."""
    files = [
        path
        for path in home.rglob("*")
        if path.is_file() and path.suffix in (".json", ".jsonl", ".txt", ".md")
    ]
    assert files
    return "\n".join(
        [*map(str, home.rglob("*")), *(path.read_text(encoding="utf-8") for path in files)]
    )


@pytest.mark.usefixtures("secrets")
def test_ingestion_writes_no_secret(
    served: type[Served], store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = (
        "text,label\n"
        + "".join(f"{text},{label}\n" for text, label in made_reviews(200, seed=0))
        + "odd,row,here\n"
    )
    served.files = {"/a.csv": rows.encode(), "/b.csv": rows.replace("n", "m").encode()}
    address = f"http://reader:${{env:MADE_PASSWORD}}@{served.address}"
    paths = [f"{address}/a.csv?t=${{env:MADE_TOKEN}}", f"{address}/b*.csv"]
    mine = catalog(
        tmp_path, paths={"all": paths}, options={"headers": {"X-Key": "${env:MADE_TOKEN}"}}
    )
    with caplog.at_level(logging.INFO):
        snapshot, is_new = make_snapshot(entry := checked_entry("mine", mine))
    assert is_new
    assert sum(snapshot.rows.values()) > 300
    assert any(quote(TOKEN, safe="") in path for _, path, _ in served.requested)  # it was used
    pieces = SnapshotLog.of("mine").last.pieces  # type: ignore[union-attr]
    assert [piece["name"] for piece in pieces] == [paths[0], f"{address}/b.csv"]
    refused = pq.read_table(snapshot.folder / "refused.parquet").to_pylist()
    assert {row["file"] for row in refused} == {piece["name"] for piece in pieces}
    for text in (stored(store), caplog.text, repr(entry), repr(snapshot), repr(refused)):
        assert is_clean(text)


FAULTS: dict[str, dict[str, Any]] = {
    "nobody there": {
        "paths": {"all": "http://r:${env:MADE_PASSWORD}@127.0.0.1:1/a.csv?t=${env:MADE_TOKEN}"}
    },
    "refused": {
        "paths": {"all": "http://r:${env:MADE_PASSWORD}@ADDRESS/none.csv?t=${env:MADE_TOKEN}"}
    },
    "no such glob": {"paths": {"all": "http://r:${env:MADE_PASSWORD}@ADDRESS/*.tsv"}},
    "a password for a port": {"paths": {"all": "http://host:${env:MADE_PASSWORD}/a.csv"}},
    "a password for all of it": {"paths": {"all": "${env:MADE_PASSWORD}"}},
    "a kind of address": {"paths": {"all": "${env:MADE_TOKEN}://a.csv"}},
    "a header": {
        "paths": {"all": "http://127.0.0.1:1/a.csv"},
        "options": {"headers": {"X-Key": "${env:MADE_TOKEN}\r\n"}},
    },
    "a proxy": {
        "paths": {"all": "http://ADDRESS/a.csv"},
        "options": {"proxy": "http://u:${env:MADE_PASSWORD}@x"},
    },
    "a local path": {"paths": {"all": "/none/${env:MADE_TOKEN}/a.csv"}},
    "a damaged file": {"paths": {"all": "http://ADDRESS/a.gz?t=${env:MADE_TOKEN}"}},
    "a member": {"paths": {"all": "http://ADDRESS/a.zip?t=${env:MADE_TOKEN}!a.csv"}},
    "a bad row": {"paths": {"all": "http://ADDRESS/a.csv?t=${env:MADE_TOKEN}"}},
}


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("fault", FAULTS)
def test_error_and_its_causes_contain_no_secret(
    fault: str, served: type[Served], store: Path, tmp_path: Path
) -> None:
    served.files = {"/a.gz": b"no", "/a.zip": b"PKno", "/a.csv": f"txt\n{TOKEN}\n".encode()}
    source = json.loads(json.dumps(FAULTS[fault]).replace("ADDRESS", served.address))
    with pytest.raises((RowError, OSError)) as caught:
        make_snapshot(checked_entry("mine", catalog(tmp_path, **source)))
    assert is_clean("".join(traceback.format_exception(caught.value)))
    assert is_clean(str(caught.value))


@pytest.mark.parametrize("path", ["*.csv", "a.csv"])
def test_partition_contains_nothing_of_a_secret_path(
    path: str, secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / TOKEN).mkdir()
    (tmp_path / TOKEN / "a.csv").write_text("text,label\n")
    entry = checked_entry("mine", catalog(tmp_path, paths={"all": f"${{env:MADE_TOKEN}}/{path}"}))
    monkeypatch.chdir(tmp_path)
    pieces = entry.source.pieces(Access(tmp_path, secrets.reveal, secrets.hide), [])
    assert len(pieces) == 1
    assert is_clean(str([pieces, piece_record(pieces[0])]))


@pytest.mark.parametrize(
    "source",
    [
        {"paths": {"all": "https://reader:abc@host/a.csv"}},
        {"paths": {"all": "s3://bucket/a.csv"}, "options": {"key": "${env:KEY}", "secret": "abc"}},
        {"paths": {"all": "https://host/a.csv?token=abc"}},
    ],
)
def test_catalog_with_a_literal_secret_raises(source: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(
        RowError,
        match=r"mine\.yaml, entry mine, source: .*name it instead: \$\{env:NAME\} for a variable",
    ) as caught:
        checked_entry("mine", catalog(tmp_path, **source))
    assert "abc" not in "".join(traceback.format_exception(caught.value))
