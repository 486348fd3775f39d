"""Commands about rows as a user types them, and their output."""

import errno
import io
import json
import os
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from refrain import tables
from refrain.app import app
from refrain.commands import data
from refrain.errors import plain_errors
from refrain.options import joined
from tests.conftest import ENTRY, made_reviews
from tests.refrain.test_command_line import typed


class Screen:
    """The output of commands, run in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def catalog(self, name: str = "mine", **changes: Any) -> str:
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({name: ENTRY | changes}))
        return str(path)

    def rows(self, num: int = 100, *more: str) -> None:
        lines = [f"{text},{label}" for text, label in made_reviews(num, 0)]
        (self.folder / "rows.csv").write_text("\n".join(["text,label", *lines, *more, ""]))

    def says(self, *words: str, status: int = 0) -> str:
        """Run a command, check its exit status, and return its unwrapped output."""
        found = 0
        try:
            app(list(words), standalone_mode=False)
        except SystemExit as ended:
            found = int(ended.code or 0)
        output = self.capsys.readouterr()
        assert found == status, output
        assert "Traceback" not in output.err
        return output.out if status == 0 else output.out + output.err


@pytest.fixture
def screen(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Screen:
    monkeypatch.setattr(tables, "out", Console(file=Out(), width=200, highlight=False))
    monkeypatch.delenv("REFRAIN_CATALOG", raising=False)
    made = Screen(tmp_path, capsys)
    made.rows()
    return made


class Out(io.TextIOBase):
    """The current standard output, which pytest replaces."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)


def test_check_prints_the_report_and_the_path_of_its_figure(screen: Screen, store: Path) -> None:
    output = screen.says("check", "mine", "--catalog", screen.catalog())
    assert "100 rows read, 100 kept, 0 rejected (0.0%)." in output
    assert all(
        word in output
        for word in (
            "Recommendations",
            "Splits",
            "label neg",
            "characters of text: median",
            "distinct words",
        )
    )
    page = Path(output.split("With plots: file://")[1].strip())
    assert page.is_relative_to(store)
    assert page.read_text().startswith("<!doctype html>")


def test_check_prints_the_report_and_exits_with_1_when_a_retraining_would_stop(
    screen: Screen,
) -> None:
    screen.rows(40, *[",pos"] * 10)
    output = screen.says("check", "mine", "--catalog", screen.catalog(), status=1)
    assert "10 no_text: nothing stands where the text should be" in output
    assert output.count("row 42: text: empty") == 2  # on the page, and in the message at the end
    assert output.index("Rejected rows") < output.index(
        "refrain: mine: 10 of 50 rows were rejected, more than checks.max_refused_share"
    )


def test_check_prints_the_whole_report_as_json(screen: Screen) -> None:
    screen.rows(40, *[",pos"] * 10)
    words = ("check", "mine", "--json", "--catalog", screen.catalog())
    with pytest.raises(SystemExit):
        app(list(words), standalone_mode=False)
    report = json.loads(screen.capsys.readouterr().out)
    assert (report["read"], report["kept"], report["reasons"], report["is_new"]) == (
        50,
        40,
        {"no_text": 10},
        True,
    )
    assert "10 of 50 rows were rejected" in report["fault"]
    assert len(report["examples"]["no_text"]) == 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "split train has no rows"),
        ("text,label\n", "split train has no rows"),
        ("a,b\nc,d\n", "has no column 'label'"),
        (None, "expected a file, got a directory"),
    ],
    ids=["empty", "only a header", "other columns", "a directory"],
)
def test_file_without_rows_is_one_line(content: str | None, expected: str, screen: Screen) -> None:
    path = screen.folder / "rows.csv"
    path.unlink()
    path.mkdir() if content is None else path.write_text(content)
    assert expected in screen.says("check", "mine", "--catalog", screen.catalog(), status=1)


def test_unreadable_file_is_one_line(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = io.open
    path = screen.folder / "rows.csv"

    def refusing(
        file: Any, *rest: Any, **more: Any
    ) -> Any:  # who runs the tests may be root, who may read all
        if str(file) == str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return opened(file, *rest, **more)

    monkeypatch.setattr("builtins.open", refusing)
    assert f"cannot read {path}: Permission denied" in screen.says(
        "check", "mine", "--catalog", screen.catalog(), status=1
    )


FAULTS: dict[str, tuple[int, str, str]] = {
    "of a store": (
        errno.EACCES,
        "{home}/snapshots/x",
        "Permission denied: {home}/snapshots/x. Refrain writes to {home}",
    ),
    "above a store": (
        errno.EACCES,
        "{above}",
        "Refrain writes to {home}; set REFRAIN_HOME to use another folder.",
    ),
    "elsewhere": (
        errno.EACCES,
        "/srv/rows.csv",
        "Permission denied: /srv/rows.csv. Refrain must be able to read it.",
    ),
    "missing": (errno.ENOENT, "/srv/rows.csv", "there is no file /srv/rows.csv"),
    "full": (errno.ENOSPC, "/srv/x", "the disk is full: {home} could not be written"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_fault_of_a_file_is_printed_with_the_remedy(
    kind: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number, path, expected = FAULTS[kind]
    names = {"home": str(store), "above": str(store.parent)}
    with pytest.raises(SystemExit), plain_errors():
        raise OSError(number, os.strerror(number), path.format(**names))
    assert expected.format(**names) in capsys.readouterr().err


@pytest.mark.parametrize("odd", ["\x1b[31mta", "\x9b31mta", "\x1b]0;mi\x07ta", "\x08\x08ta"])
def test_terminal_control_codes_of_rows_are_escaped(odd: str, screen: Screen) -> None:
    screen.rows(60, f"{odd},pos", f"ta mi,{odd}", f"ro,{odd}")
    rules = {"control_characters": "keep"}
    output = screen.says("check", "mine", "--catalog", screen.catalog(checks=rules))
    assert re.sub(r"[\n\t]", "", output).isprintable()
    screen.rows(60, *[f"{odd},{odd}"] * 10)
    text = screen.says(
        "check",
        "mine",
        "--catalog",
        screen.catalog(checks=rules, labels={"neg": "neg", "pos": "pos"}),
        status=1,
    )
    assert re.sub(r"[\n\t]", "", text).isprintable()


def test_rich_markup_in_rows_is_printed_literally(screen: Screen) -> None:
    screen.rows(60, *["[red]ta[/red],[/]"] * 20)
    catalog = screen.catalog(
        about="[bold]a[/bold]", origin="[/red]", licence="[link=x]l[/link]", where={"label": "[/]"}
    )
    assert "[bold]a[/bold]" in screen.says("datasets", "mine", "--catalog", catalog)
    assert "[link=x]l[/link]" in screen.says("datasets", "--catalog", catalog)
    assert "label [/]" in screen.says("check", "mine", "--catalog", catalog, status=1)


def test_datasets_prints_an_entry_with_its_default_values(
    screen: Screen,
) -> None:
    catalog = screen.catalog(checks={"max_length": 77}, format={"kind": "csv", "separator": "\t"})
    lines = screen.says("datasets", "mine", "--catalog", catalog).splitlines()
    expected = [
        "dataset: mine",
        "problem: sentiment",
        "    all: rows.csv",
        "  max_length: 77",
        "  min_length: 1",
        "  separator: '\\t'",
    ]
    assert [line for line in expected if line not in lines] == []
    report = json.loads(screen.says("datasets", "mine", "--json", "--catalog", catalog))
    assert report["checks"]["max_length"] == 77
    assert report["source"] == ENTRY["source"]


def test_secret_is_printed_by_its_name_only(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", str(screen.folder))
    catalog = screen.catalog(source={"kind": "files", "paths": {"all": "${env:PLACE}/rows.csv"}})
    output = screen.says("datasets", "mine", "--catalog", catalog) + screen.says(
        "datasets", "mine", "--json", "--catalog", catalog
    )
    assert output.count("${env:PLACE}/rows.csv") == 2
    assert str(screen.folder) not in output.replace(catalog, "")


def test_several_catalogs_are_read_together_from_options_and_the_environment(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (screen.catalog(name) for name in ("one", "two", "three"))
    monkeypatch.setenv("REFRAIN_CATALOG", f"{one}{os.pathsep}{two}")
    report = json.loads(screen.says("datasets", "--json", "--catalog", three, "--catalog", one))
    names = [item["dataset"] for item in report]
    assert names[-3:] == ["one", "two", "three"]
    assert "rotten_tomatoes" in names


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("mine: {}\n", "stands in two catalogs, .*mine.yaml and .*other.yaml: rename one of them"),
        ("other: [1\n", "other.yaml is not a YAML file"),
        ("", "other.yaml must map names of datasets to entries"),
        (None, "there is no catalog file .*other.yaml"),
    ],
)
def test_conflicting_or_unreadable_catalog_is_one_line_with_its_path(
    content: str | None, expected: str, screen: Screen
) -> None:
    other = screen.folder / "other.yaml"
    if content is not None:
        other.write_text(content)
    output = screen.says(
        "check", "mine", "--catalog", screen.catalog(), "--catalog", str(other), status=1
    )
    assert re.search(expected, output)


def test_catalogs_are_printed_with_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        joined([Path("a.yaml"), Path("b/c.yaml")])
        == f"{tmp_path}/a.yaml{os.pathsep}{tmp_path}/b/c.yaml"
    )
    assert joined(None) is None


def test_snapshots_shows_how_a_dataset_grew(screen: Screen) -> None:
    catalog = screen.catalog()
    assert "mine was never ingested: refrain check mine" in screen.says(
        "snapshots", "mine", "--catalog", catalog
    )
    for num in (40, 60):
        screen.rows(num)
        screen.says("check", "mine", "--catalog", catalog)
    first, second = json.loads(screen.says("snapshots", "mine", "--json", "--catalog", catalog))
    output = screen.says("snapshots", "mine", "--catalog", catalog)
    assert [first["new"], second["new"], second["gone"]] == [40, 20, 0]
    assert f"{second['snapshot'][:8]}" in output
    assert f"after {first['snapshot'][:8]}" in output
    assert "20 new" in output
    screen.says("prune", "--days", "0", "--yes")
    assert "pruned" in screen.says("snapshots", "mine", "--catalog", catalog)


def test_snapshots_fits_on_a_narrow_screen(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "snapshot": "0123456789abcdef",
        "parent": "f" * 16,
        "made": "2031-02-03T04:05:06+00:00",
        "rows": {"train": 9_000_000, "validation": 900_000, "test": 900_000, "refused": 0},
        "new": 9_000_000,
        "gone": 8_000_000,
        "removed": 12,
        "is_there": True,
        "versions": ["version 12 (champion)"],
    }
    monkeypatch.setattr(tables, "out", Console(file=Out(), width=80, highlight=False))
    tables.show_snapshots("mine", [row])
    output = screen.capsys.readouterr().out
    words = (
        "01234567",
        "after ffffffff",
        "2031-02-03",
        "04:05",
        "9,000,000 train",
        "9,000,000 new",
        "version",
        "12",
        "champion",
    )
    assert [word for word in words if word not in output] == []


def test_forget_prints_what_contains_the_text_and_what_to_do(screen: Screen) -> None:
    catalog = screen.catalog()
    text = made_reviews(100, 0)[7][0]
    screen.says("check", "mine", "--catalog", catalog)
    digest = json.loads(screen.says("snapshots", "mine", "--json", "--catalog", catalog))[0][
        "snapshot"
    ]
    output = screen.says(
        "forget", "mine", "--catalog", catalog, "--text", text.upper(), "--text", f" {text}"
    )
    assert "1 new on the removal list" in output
    assert (
        f"Snapshots that hold such a text until they are pruned (refrain prune): {digest}" in output
    )
    assert text not in (screen.folder / "store" / "removals" / "mine.txt").read_text()
    assert "1 rows are on a removal list and in no split" in screen.says(
        "check", "mine", "--catalog", catalog
    )


def test_forget_reports_a_text_that_is_in_no_snapshot(screen: Screen) -> None:
    catalog = screen.catalog()
    screen.says("check", "mine", "--catalog", catalog)
    output = screen.says("forget", "mine", "--catalog", catalog, "--text", "an unknown text")
    assert "No snapshot in the store holds such a text. Only a whole text counts" in output


def test_forget_reads_texts_from_a_file(screen: Screen) -> None:
    requests = screen.folder / "requests.txt"
    texts = [text for text, _ in made_reviews(100, 0)[:3]]
    requests.write_bytes(("\r\n".join(texts) + "\n\n \n").encode())
    catalog = screen.catalog()
    assert "3 new on the removal list" in screen.says(
        "forget", "mine", "--catalog", catalog, "--file", str(requests)
    )
    assert "97 rows read, 97 kept" in screen.says("check", "mine", "--catalog", catalog)


def test_forget_removes_a_table_row_by_its_key(screen: Screen) -> None:
    with sqlite3.connect(screen.folder / "shop.db") as shop:
        shop.execute("CREATE TABLE review (id INTEGER PRIMARY KEY, text TEXT, label TEXT)")
        shop.executemany("INSERT INTO review (text, label) VALUES (?, ?)", made_reviews(60, 0))
    shop.close()
    source = {
        "kind": "sql",
        "url": f"sqlite:///{screen.folder}/shop.db",
        "table": "review",
        "key": "id",
    }
    path = screen.folder / "shop.yaml"
    path.write_text(
        yaml.safe_dump(
            {"shop": {**{k: v for k, v in ENTRY.items() if k != "format"}, "source": source}}
        )
    )
    assert "2 new on" in screen.says(
        "forget", "shop", "--key", "3", "--key", "4", "--catalog", str(path)
    )
    assert "2 rows are on a removal list" in screen.says("check", "shop", "--catalog", str(path))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["forget", "mine"], "there is nothing to forget: give --text, --key or --file"),
        (["forget", "mine", "--text", " "], "expected a text to be forgotten, got ' '"),
        (["forget", "mine", "--key", "3"], "mine: its rows have no key"),
        (
            ["forget", "mine", "--file", "/nowhere/requests.txt"],
            "there is no file /nowhere/requests.txt",
        ),
        (
            ["forget", "mine", "--file", "latin.txt"],
            "latin.txt: expected one text per line in UTF-8, got .* at byte 3",
        ),
        (["forget", "mino", "--text", "ta"], "there is no dataset 'mino' .*did you mean mine?"),
        (["check", "mino"], "there is no dataset 'mino' .*did you mean mine?"),
        (["snapshots", "mino"], "there is no dataset 'mino' .*did you mean mine?"),
        (["datasets", "mino"], "there is no dataset 'mino' .*did you mean mine?"),
        (
            ["run", "mine", "--snapshot", "abcd"],
            "there is no snapshot 'abcd' of mine: .* the latest are none yet",
        ),
        (
            ["run", "mine", "msra", "--snapshot", "abcd"],
            "--snapshot belongs to one dataset, got 2: mine, msra",
        ),
    ],
)
def test_invalid_input_is_one_line(
    words: list[str], expected: str, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(screen.folder)
    (screen.folder / "latin.txt").write_bytes(b"caf\xe9\n")
    monkeypatch.setenv("REFRAIN_CATALOG", screen.catalog())
    output = screen.says(*words, status=1)
    assert re.search(expected, output)
    assert output.count("\n") == 1


@pytest.fixture
def grown(screen: Screen) -> Path:
    """The folder of a snapshot that no artifact needs."""
    for num in (40, 60):
        screen.rows(num)
        screen.says("check", "mine", "--catalog", screen.catalog())
    listed = json.loads(screen.says("snapshots", "mine", "--json", "--catalog", screen.catalog()))
    return screen.folder / "store" / "snapshots" / f"mine-{listed[0]['snapshot']}"


def test_prune_lists_first_and_removes_only_with_yes(screen: Screen, grown: Path) -> None:
    output = screen.says("prune", "--days", "0")
    assert f"{grown}  an older snapshot that no registered version was trained on" in output
    assert "Nothing was removed; --yes removes them." in output
    assert grown.exists()
    assert "removed 1 folders" in screen.says("prune", "--days", "0", "--yes")
    assert not grown.exists()
    assert "Nothing to prune" in screen.says("prune", "--days", "0", "--yes")


def test_prune_keeps_recent_folders_by_default(screen: Screen, grown: Path) -> None:
    assert "Nothing to prune" in screen.says("prune", "--yes")
    assert grown.exists()


@pytest.mark.parametrize(("answer", "is_there"), [(True, False), (False, True)])
def test_prune_asks_for_confirmation_at_a_terminal(
    answer: bool, is_there: bool, screen: Screen, grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(data.typer, "confirm", lambda question: answer)
    screen.says("prune", "--days", "0")
    assert grown.exists() == is_there


def test_prune_keeps_what_became_needed_before_the_confirmation(
    screen: Screen, grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm_later(question: str) -> bool:
        screen.rows(40)
        app(
            ["check", "mine", "--catalog", screen.catalog()], standalone_mode=False
        )  # the older one is the newest again
        return True

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(data.typer, "confirm", confirm_later)
    screen.says("prune", "--days", "0")
    assert grown.exists()


def test_prune_with_json_lists_and_removes_nothing(screen: Screen, grown: Path) -> None:
    (report,) = json.loads(screen.says("prune", "--days", "0", "--json"))
    assert report["path"] == str(grown)
    assert report["bytes"] == sum(path.stat().st_size for path in grown.iterdir())
    assert grown.exists()
    assert json.loads(screen.says("prune", "--days", "0", "--json", "--yes")) == [report]
    assert not grown.exists()


def test_prune_of_one_dataset_keeps_the_others(screen: Screen, grown: Path) -> None:
    screen.says("check", "other", "--catalog", screen.catalog("other"))
    assert "Nothing to prune" in screen.says("prune", "other", "--days", "0", "--yes")
    assert "did you mean mine?" in screen.says("prune", "mina", "--days", "0", "--yes", status=1)
    assert grown.exists()


def test_prune_and_models_stop_when_mlflow_does_not_answer(tmp_path: Path) -> None:
    folder = tmp_path / "scores" / f"mine-{'0' * 16}"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(
        json.dumps({"dataset": "mine", "digest": "0" * 16, "checkpoint": "", "tokens": ""})
    )
    nowhere = {
        "MLFLOW_TRACKING_URI": "http://joe:hunter2@127.0.0.1:9",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    for words in (["prune", "--days", "0", "--yes"], ["models"]):
        done = typed(*words, home=tmp_path, **nowhere)
        assert done.returncode == 1
        assert done.stderr.startswith("refrain: MLflow did not respond")
        assert done.stderr.count("\n") == 1
        assert "hunter2" not in done.stderr
    assert folder.exists()
