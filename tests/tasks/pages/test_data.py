"""The data report: its content, and that no row of a dataset can change it."""

import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import pytest
from markdown_it import MarkdownIt
from matplotlib.backends.backend_agg import FigureCanvasAgg

from data.catalog.catalog import Dataset, find_dataset
from data.rows.check_settings import KINDS
from data.rows.splits import SPLITS
from data.text.invisible_characters import INVISIBLE_CHARACTER, LATIN_TWINS
from tasks.ingestion.removals import forget
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_writer import read_report
from tasks.pages.data import figure_of, page, show_data, write_page
from tasks.store.artifacts import Snapshot
from tests.tasks.growing import Table, entry, ingest, of_files, of_table, texts, texts_of, write

ODD = {
    "a pipe": "ta | mi",
    "backticks": "ta `mi` ``ro``",
    "only backticks": "``",
    "a script": "<script>alert(1)</script>",
    "an entity of HTML": "ta &lt;b&gt; &amp; mi",
    "an image": "![x](http://example.org/x.png)",
    "a link": "[mi](http://example.org/)",
    "emphasis": "*ta* **mi** __ro__ ~~ku~~",
    "a heading": "# ta",
    "backslashes": r"\ta \* \| \\",
    "markup of the screen": "[red]ta[/red] [/] [link=x]mi",
    "Chinese": "好的 商品",
    "Arabic from right to left": "مرحبا \u202eمرحبا",
    "mathematics": "$5 and $\\frac{1",
    "a colour of the screen": "\x1b[31mta\x1b[0m",
    "a title of the screen": "\x1b]0;mi\x07ro",
    "a control of eight bits": "\x9b31mta",
}
OURS = {"h2", "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "strong"}
ROWS = {"kind": "files", "paths": {"all": "rows.csv"}}


class ParsedPage(HTMLParser):
    """The elements and the text of a page as a browser parses it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.text = ""
        self.feed(text)
        self.text = squeezed(self.text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements[tag] += 1

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(text: str) -> ParsedPage:
    """A page rendered with HTML allowed, as a dashboard may do."""
    return ParsedPage(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def shown(text: str) -> str:
    """The visible form of a text: itself except for control characters and spacing."""
    return squeezed("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text))


def rows_of(folder: Path, rows: Iterable[tuple[str, str]], **changes: Any) -> Dataset:
    write(folder / "rows.csv", rows)
    return entry(folder, ROWS, **changes)


def labelled(folder: Path, *labels: str) -> Dataset:
    """Twenty rows per label, with the labels unchanged."""
    rows = [(f"n{i} of {place}", label) for place, label in enumerate(labels) for i in range(20)]
    return rows_of(folder, rows, checks={"control_characters": "keep"})


def refusing(folder: Path, text: str) -> Dataset:
    """Rows of which one has an unusual text and label."""
    fine = [(f"n{i}", ("neg", "pos")[i % 2]) for i in range(40)]
    return rows_of(
        folder,
        [*fine, (text, text)],
        labels={"neg": "neg", "pos": "pos"},
        checks={"control_characters": "keep"},
    )


@pytest.mark.parametrize("name", ODD)
def test_label_is_shown_literally(name: str, store: Path, tmp_path: Path) -> None:
    dataset = labelled(tmp_path, "pos", ODD[name])
    parsed = rendered(page(dataset, ingest(dataset)))
    assert f"label {shown(ODD[name])}" in parsed.text
    assert set(parsed.elements) <= OURS - {"strong"}
    assert parsed.elements["td"] == 4 * (parsed.elements["tr"] - 1)
    assert parsed.text.isprintable()


@pytest.mark.parametrize("name", ODD)
def test_rejected_row_is_shown_literally(name: str, store: Path, tmp_path: Path) -> None:
    dataset = refusing(tmp_path, ODD[name])
    parsed = rendered(page(dataset, ingest(dataset)))
    assert (
        squeezed(
            f"label: expected one of neg, pos, got {ODD[name]!r}: "
            f"{shown(ODD[name])} {shown(ODD[name])}"
        )
        in parsed.text
    )
    assert set(parsed.elements) <= OURS
    assert parsed.elements["strong"] == 1
    assert parsed.text.isprintable()


@pytest.mark.parametrize("name", ODD)
def test_page_with_plots_contains_no_html_of_a_row(name: str, store: Path, tmp_path: Path) -> None:
    dataset = labelled(tmp_path, "pos", ODD[name])
    text = write_page(dataset, ingest(dataset)).read_text(encoding="utf-8")
    assert not {"script", "img", "a", "em"} & set(ParsedPage(text).elements)
    drawing = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + len("</svg>")])
    drawn = [
        squeezed("".join(each.itertext())) for each in drawing.iter() if each.tag.endswith("text")
    ]
    assert [text for text in drawn if text.startswith(shown(ODD[name])[:16])]


def made_report(**changes: Any) -> dict[str, Any]:
    """A report by hand, of a dataset of one column."""
    split = {
        "rows": 100,
        "labels": {},
        "entities": {},
        "lengths": {"text": {"5": 1, "50": 7, "95": 9, "100": 12}},
    }
    words = {"unit": "words", "rows": dict.fromkeys(SPLITS, 100), "sides": {}}
    counts = {"read": 300, "kept": 300, "refused": 0, "reasons": {}, "examples": {}, "removed": 0}
    return {**counts, "splits": dict.fromkeys(SPLITS, split), "words": words, **changes}


def page_of(report: dict[str, Any], folder: Path) -> str:
    """The page of a report that is written by hand."""
    write(folder / "rows.csv", texts(3))
    snapshot = Snapshot(dataset="made", digest="0" * 16, rows={}, splits={}, reasons={})
    snapshot.folder.mkdir(parents=True)
    (snapshot.folder / "report.json").write_text(json.dumps(report))
    return page(entry(folder, ROWS), snapshot)


def test_each_kind_of_rejected_row_is_shown_with_meaning_and_five_rows(
    store: Path, tmp_path: Path
) -> None:
    row = {"file": "a.csv", "reason": "why", "kind": ""}
    examples = {kind: [row | {"row": i, "raw": f"{kind} {i}"} for i in range(7)] for kind in KINDS}
    text = page_of(
        made_report(reasons=dict.fromkeys(KINDS, 1_007), refused=9, examples=examples), tmp_path
    )
    for kind, meaning in KINDS.items():
        listed = [
            f"- **1,007 {kind}**: {meaning}",
            *(f"  - a.csv, row {i}: why: `{kind} {i}`" for i in range(5)),
        ]
        assert "\n".join(listed) in text
        assert f"{kind} 5" not in text


def test_row_content_is_truncated_and_its_file_name_is_not(store: Path, tmp_path: Path) -> None:
    row = {
        "file": "long/" * 50 + "a.csv",
        "row": 3,
        "reason": "why",
        "raw": "ta " * 100,
        "kind": "",
    }
    text = page_of(
        made_report(reasons={"no_text": 1}, refused=1, examples={"no_text": [row]}), tmp_path
    )
    assert f"{row['file']}, row 3: why: `{('ta ' * 40).strip()} ...`" in text


@pytest.mark.parametrize(
    ("refused", "share"), [(0, "0.0%"), (1, "less than 0.1%"), (30, "1.0%"), (3_000, "100.0%")]
)
def test_share_of_rejected_rows_is_never_rounded_to_zero(
    refused: int, share: str, store: Path, tmp_path: Path
) -> None:
    assert f"{refused:,} rejected ({share})." in page_of(
        made_report(read=3_000, refused=refused), tmp_path
    )


def test_many_labels_are_truncated_and_counted(store: Path, tmp_path: Path) -> None:
    split = made_report()["splits"]["train"] | {"labels": {f"kind {i}": 100 - i for i in range(50)}}
    text = page_of(made_report(splits=dict.fromkeys(SPLITS, split)), tmp_path)
    assert "| label kind 19 |" in text
    assert "| label kind 20 |" not in text
    assert "| and 30 more | 50 in all | 50 in all | 50 in all |" in text


ALIKE = {
    "Unicode form": ("caf\u00e9", "cafe\u0301"),
    "invisible inside": ("pos", "p\u200bos"),
    "a filler inside": ("pos", "p\u3164os"),
    "spaces inside": ("very good", "very  good"),
    "letters of another script": ("pos", "\u0440\u043e\u0455"),
    "an end that is cut off": ("lumo " * 20 + "1", "lumo " * 20 + "2"),
}


@pytest.mark.case("01")
@pytest.mark.parametrize("kind", ALIKE)
def test_no_two_labels_look_the_same_on_the_page(kind: str, store: Path, tmp_path: Path) -> None:
    dataset = labelled(tmp_path, *ALIKE[kind])
    parsed = rendered(page(dataset, ingest(dataset))).text
    rows = {
        unicodedata.normalize("NFKC", name) for name in re.findall(r"label (\S.*?) \d+ \(", parsed)
    }
    assert len(rows) >= 2
    assert not [
        name
        for name in rows
        if INVISIBLE_CHARACTER.search(name) or name.translate(LATIN_TWINS) in rows - {name}
    ]


@pytest.mark.case("01")
def test_labels_padded_by_a_table_are_one_label(store: Path, tmp_path: Path) -> None:
    source_table = Table(tmp_path)
    source_table.insert(
        [(text, label.ljust(10)) for text, label in texts(20)]
    )  # as CHAR(10) pads them
    source_table.insert(texts(40)[20:])
    assert read_report(ingest(of_table(tmp_path)))["splits"]["train"]["labels"].keys() == {"pos"}


def test_a_sample_of_words_is_called_one(store: Path, tmp_path: Path) -> None:
    words = {
        "unit": "characters",
        "rows": {"train": 40, "validation": 100, "test": 100},
        "sides": {},
    }
    assert "Characters are counted in a sample: 40 rows of train." in page_of(
        made_report(words=words), tmp_path
    )
    assert "sample" not in page_of_whole(tmp_path)


def page_of_whole(folder: Path) -> str:
    dataset = of_files(folder, all="rows.csv")
    return page(dataset, ingest(dataset))


def test_table_equals_counts_by_hand(store: Path, tmp_path: Path) -> None:
    rows = [
        (" ".join(["ta", "Mi", f"n{i % 50}"][: 1 + i % 3]) + f" {i}", ("neg", "pos")[i % 3 == 0])
        for i in range(300)
    ]
    dataset = rows_of(tmp_path, rows)
    snapshot = ingest(dataset)
    text = page(dataset, snapshot)
    of = {split: texts_of(snapshot, split) for split in SPLITS}
    words = {
        split: [word for text in of[split] for word in text.lower().split()] for split in SPLITS
    }
    labels = {split: Counter(snapshot.table(split)["label"].to_pylist()) for split in SPLITS}
    unknown = [
        sum(word not in words["train"] for word in words[split]) / len(words[split])
        for split in SPLITS[1:]
    ]

    def row(name: str, value: Callable[[str], str]) -> str:
        return f"| {name} |" + "".join(f" {value(split)} |" for split in SPLITS)

    assert row("rows", lambda split: str(len(of[split]))) in text
    for label in ("neg", "pos"):
        counts = {s: labels[s][label] for s in SPLITS}
        shares = {s: f"{counts[s]} ({counts[s] / len(of[s]):.1%})" for s in SPLITS}
        assert row(f"label {label}", shares.__getitem__) in text
    assert row("characters of text: maximum", lambda split: str(max(map(len, of[split])))) in text
    assert row("distinct words", lambda split: str(len(set(words[split])))) in text
    assert f"| words not in train | - | {unknown[0]:.1%} | {unknown[1]:.1%} |" in text
    halves = re.search(r"\| characters of text: median \| (\d+) \| (\d+) \| (\d+) \|", text)
    assert halves is not None
    expected = [median(map(len, of[split])) for split in SPLITS]
    assert all(
        abs(int(found) - each) <= 1 for found, each in zip(halves.groups(), expected, strict=True)
    )


def test_page_shows_the_parent_snapshot_and_the_changes(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", texts(30))
    dataset = of_files(tmp_path, all="rows.csv")
    first = ingest(dataset)
    assert "before it" not in page(dataset, first)
    write(tmp_path / "rows.csv", texts(1_200)[10:])
    text = page(dataset, ingest(dataset))
    assert (
        f"Compared with the previous snapshot `{first.digest}`: 1,170 rows are new, 10 are gone"
        in text
    )


@pytest.mark.parametrize(("repeats", "num"), [("own", 3), ("all", 0)])
def test_duplicates_kept_in_published_splits_are_counted(
    repeats: str, num: int, store: Path, tmp_path: Path
) -> None:
    rows = texts(40)
    write(
        tmp_path / "train.csv", [*rows, *rows[:2], (rows[0][0].upper(), "pos"), (rows[5][0], "neg")]
    )
    write(tmp_path / "test.csv", texts(20, start=100))
    paths = {"train": "train.csv", "test": "test.csv"}
    dataset = entry(
        tmp_path,
        {"kind": "files", "paths": paths},
        splits={"validation": 0.2},
        checks={"repeats": repeats, "max_refused_share": 1.0},
    )
    snapshot = make_snapshot(dataset)[0]
    assert read_report(snapshot)["repeated"] == num
    assert ("3 kept rows repeat another kept row" in page(dataset, snapshot)) == (num > 0)


def test_removed_rows_are_counted(store: Path, tmp_path: Path) -> None:
    rows = texts(30)
    dataset = rows_of(tmp_path, [*rows, (rows[3][0].upper(), "pos")])
    forget(dataset, [rows[3][0]], [])
    text = page(dataset, ingest(dataset))
    assert "2 rows are on a removal list and in no split" in text
    assert rows[3][0] not in text


def test_origin_and_licence_are_shown_in_full(store: Path, tmp_path: Path) -> None:
    origin = "Kalo and Bren (2031), " + "of a shop, " * 20
    licence = "CC BY 2.0 FR [see] <there>"
    dataset = rows_of(tmp_path, texts(20), origin=origin, licence=licence)
    assert (
        f"{squeezed(origin)}; licence: {licence}" in rendered(page(dataset, ingest(dataset))).text
    )


def test_ingestion_of_files_leaves_no_secret(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hunter2"
    folder.mkdir()
    monkeypatch.setenv("PLACE", str(folder))
    (folder / "rows.csv").write_text(
        "text,label\n,pos\n" + "".join(f"{text},{label}\n" for text, label in texts(30))
    )
    dataset = entry(tmp_path, {"kind": "files", "paths": {"all": "${env:PLACE}/rows.csv"}})
    snapshot = ingest(dataset)
    page_text = page(dataset, snapshot)
    write_page(dataset, snapshot)
    assert "rows.csv, row 2: text: empty" in page_text
    assert "hunter2" not in page_text
    assert [
        path for path in store.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()
    ] == []


def test_ingestion_of_a_table_leaves_no_secret(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(tmp_path)
    table.insert([*texts(30), ("", "pos")])
    monkeypatch.setenv("PLACE", f"{tmp_path}/shop.db")
    dataset = of_table(tmp_path, source={"url": "sqlite:///${env:PLACE}"})
    text = page(dataset, ingest(dataset))
    assert "table reviews, stamp up to 1, row 31: text: empty" in text.replace("\\", "")
    assert "shop.db" not in text


SHAPED = {
    "label": (
        "sentiment",
        "csv",
        "text,label\n",
        "n{0} ta,pos\n",
        {"text": "text", "label": "label"},
        ["labels", "text"],
    ),
    "tags": (
        "ner",
        "conll",
        "",
        "n{0} O\nKalo B-PER\n\n",
        {"tokens": 0, "tags": 1},
        ["entities", "tokens"],
    ),
    "pairs": (
        "translation",
        "tsv",
        "a\tb\n",
        "n{0} ta\tN{0} TA\n",
        {"source": "a", "target": "b"},
        ["source", "target"],
    ),
}


@pytest.mark.parametrize("shape", SHAPED)
def test_figure_has_a_panel_for_each_counted_quantity_of_every_row_shape(
    shape: str, store: Path, tmp_path: Path
) -> None:
    problem, kind, head, row, columns, panels = SHAPED[shape]
    (tmp_path / "rows.csv").write_text(head + "".join(row.format(i) for i in range(40)))
    dataset = entry(tmp_path, ROWS, problem=problem, format={"kind": kind}, columns=columns)
    snapshot = make_snapshot(dataset)[0]
    titles = [ax.get_title() for ax in figure_of(read_report(snapshot)).axes]
    assert [next(panel for panel in panels if panel in title) for title in titles] == panels
    assert write_page(dataset, snapshot).exists()


def test_dataset_without_rows_has_a_page_that_states_it(store: Path, tmp_path: Path) -> None:
    dataset = rows_of(tmp_path, [])
    snapshot = ingest(dataset)
    FigureCanvasAgg(figure_of(read_report(snapshot))).draw()
    text = write_page(dataset, snapshot).read_text()
    assert "no row was kept, so there is nothing to train on" in text


def test_page_is_written_once_and_completely(store: Path, tmp_path: Path) -> None:
    dataset = rows_of(tmp_path, texts(30))
    snapshot = ingest(dataset)
    with (
        patch.object(Path, "replace", side_effect=OSError("the disk is full")),
        pytest.raises(OSError, match="full"),
    ):
        write_page(dataset, snapshot)
    assert not (snapshot.folder / "report.html").exists()
    path = write_page(dataset, snapshot)
    assert path.read_text().rstrip().endswith("</html>")
    before = path.stat().st_mtime_ns
    assert write_page(dataset, snapshot).stat().st_mtime_ns == before


def test_equal_rows_give_byte_identical_figures(store: Path, tmp_path: Path) -> None:
    dataset = rows_of(tmp_path, texts(30))
    snapshot = ingest(dataset)
    path = write_page(dataset, snapshot)
    before = path.read_bytes()
    path.unlink()
    assert write_page(dataset, snapshot).read_bytes() == before


def test_report_is_written_to_the_snapshot_only_outside_a_flow_run(
    store: Path, tmp_path: Path
) -> None:
    dataset = rows_of(tmp_path, texts(30))
    snapshot = ingest(dataset)
    show_data(dataset, snapshot)
    assert (snapshot.folder / "report.html").exists()


@pytest.mark.case("D13")
def test_page_of_pairs_names_the_bleu_tokenizer_and_counts_each_side_in_its_unit(
    store: Path, tmp_path: Path
) -> None:
    rows = [
        f"ta mi n{i},{''.join('アカサタナハマヤラワ'[int(digit)] for digit in str(1000 + i))}文"
        for i in range(60)
    ]
    (tmp_path / "rows.csv").write_text("source,target\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(
        "pairs:\n  problem: translation\n  language: en-xx\n"
        "  source: {kind: files, paths: {all: rows.csv}}\n  format: {kind: csv}\n"
        "  columns: {source: source, target: target}\n  splits: {validation: 0.2, test: 0.2}\n"
        "  tokenizer: words\n  licence: ours\n  origin: made\n"
    )
    dataset = find_dataset("pairs", tmp_path / "mine.yaml")
    text = page(dataset, make_snapshot(dataset)[0])
    assert "BLEU will cut target by `char`, since 100% of its letters" in text
    assert (
        "of the letters of target are of scripts without spaces between words, so tokenizer words"
        in text
    )
    assert "| distinct words of source |" in text
    assert "| characters of target not in train |" in text
