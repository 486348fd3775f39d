"""Odd files: empty, joined, packed in another way, with backslashes, beside hidden ones."""

import bz2
import gzip
import io
import json
import lzma
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.catalog.catalog import Dataset, find_dataset
from data.errors import RowError
from data.formats.base import all_formats
from data.ingestion.recommendations import recommend
from data.ingestion.report import Tally
from data.ingestion.splitting import REFUSED, Splitter, checked_tables
from data.sources.base import Access
from tests.data.sources.test_archives import tarred, zipped

ENTRY = """made:
  problem: sentiment
  language: xx
  source: {{kind: files, paths: {{all: "{paths}"}}{source}}}
  format: {{kind: {kind}{options}}}
  {columns}
  {more}
  splits: {{validation: 0.15, test: 0.2}}
  tokenizer: words
  licence: ours
  origin: invented rows
"""
TEXTS = "columns: {text: body, label: stars}"
TAGS = "columns: {tokens: tokens, tags: tags}"
CSV = "body,stars\nta mi,pos\nku ro,neg\n"


class Reads:
    """The result of reading a dataset: rows, rejected rows, notes and advice."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        access = Access(folder / "downloads")
        splitter = Splitter(dataset)
        tally = Tally()
        self.rows: list[tuple[Any, ...]] = []
        self.rejected: list[tuple[str, str]] = []
        for piece in dataset.source.pieces(access, []):
            for table in checked_tables(dataset, piece, access):
                for part in splitter.parts(piece, table):
                    tally.add(part)
                    if part.split == REFUSED:
                        self.rejected += [
                            (row["kind"], row["reason"]) for row in part.table.to_pylist()
                        ]
                    else:
                        self.rows += [tuple(row.values()) for row in part.table.to_pylist()]
        self.rows.sort(key=str)
        self.notes = {kind: note["count"] for kind, note in splitter.notes.items()}
        report = tally.as_json(is_characters=False) | {"notes": splitter.notes}
        self.advice = "\n".join(recommend(report, options=dataset.format or ()))


def reads(
    folder: Path,
    kind: str,
    files: dict[str, bytes | str],
    *,
    columns: str = TEXTS,
    paths: str = "**",
    **entry: str,
) -> Reads:
    for name, content in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    given = {"options": "", "source": "", "more": "", **entry}
    catalog = folder / "mine.yaml"
    catalog.write_text(ENTRY.format(kind=kind, columns=columns, paths=f"files/{paths}", **given))
    return Reads(find_dataset("made", catalog), folder)


def parquet(**columns: list[Any]) -> bytes:
    pq.write_table(pa.table(columns), buffer := io.BytesIO())
    return buffer.getvalue()


def arrow(**columns: list[Any]) -> bytes:
    table = pa.table(columns)
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


FILES: dict[str, tuple[bytes, str]] = {
    "csv": (CSV.encode(), TEXTS),
    "tsv": (CSV.replace(",", "\t").encode(), TEXTS),
    "jsonl": (b'{"body": "ta mi", "stars": "pos"}\n{"body": "ku ro", "stars": "neg"}\n', TEXTS),
    "parquet": (parquet(body=["ta mi", "ku ro"], stars=["pos", "neg"]), TEXTS),
    "arrow": (arrow(body=["ta mi", "ku ro"], stars=["pos", "neg"]), TEXTS),
    "labelled": (b"pos ta mi\nneg ku ro\n", ""),
    "text": (b"ta mi\nku ro\n", ""),
    "conll": (b"ta O\nmi B-PER\n\nku O\nro O\n", "columns: {tokens: 0, tags: 1}"),
    "abc": (b"X:1\nR:jig\nabc\n\nX:2\nR:reel\ncba\n", "columns: {text: tune, label: R}"),
}
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.case("06")
@pytest.mark.parametrize("kind", FILES)
def test_empty_file_has_no_rows_in_any_format(kind: str, tmp_path: Path) -> None:
    content, columns = FILES[kind]
    found = reads(
        tmp_path,
        kind,
        {"a.x": content, "b.x": b"", "c.x.gz": gzip.compress(b"", mtime=0)},
        columns=columns,
    )
    assert len(found.rows) == 2
    assert not found.rejected
    assert found.notes == {"empty_file": 2}
    assert "Empty files, which have no rows: 2 (first: b.x, row 1)." in found.advice


@pytest.mark.case("06")
@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "lzma", "zst", "zip"])
def test_packed_empty_file_has_no_rows(suffix: str, tmp_path: Path) -> None:
    found = reads(tmp_path, "csv", {"a.csv": CSV, f"b.csv.{suffix}": b""})
    assert (len(found.rows), found.notes) == (2, {"empty_file": 1})


@pytest.mark.case("06")
@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\n\r\n", b"\xff\xfe"])
def test_table_without_lines_is_an_empty_file(content: bytes, tmp_path: Path) -> None:
    found = reads(
        tmp_path, "csv", {"a.csv": CSV, "b.csv": content, "c.zip": zipped({"c.csv": b""})}
    )
    assert (len(found.rows), found.notes) == (2, {"empty_file": 2})


@pytest.mark.case("03")
@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_repeated_header_is_rejected(kind: str, mark: str, quote: str, tmp_path: Path) -> None:
    sign = "," if kind == "csv" else "\t"
    header = mark + sign.join(f"{quote}{name}{quote}" for name in ("id", "body", "stars")) + "\n"
    days = [header + sign.join([str(day), f"ta n{day}", "pos"]) + "\n" for day in range(3)]
    found = reads(tmp_path, kind, {"a.csv": "".join(days)})
    assert found.rows == [(f"ta n{day}", "pos") for day in range(3)]
    assert [kind for kind, _ in found.rejected] == ["header"] * 2
    assert found.notes == ({"joined_files": 1} if mark else {})
    assert "files were joined" in found.advice


@pytest.mark.case("03")
@pytest.mark.parametrize("kind", ["jsonl", "labelled", "text", "conll", "abc"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_byte_order_marks_within_a_file_are_removed(
    kind: str, encoding: str, tmp_path: Path
) -> None:
    content, columns = FILES[kind]
    plain = reads(tmp_path / "plain", kind, {"a.x": content}, columns=columns).rows
    joined = "\ufeff".join(["", *content.decode().splitlines(keepends=True)]).encode(encoding)
    found = reads(tmp_path / "joined", kind, {"a.x": joined}, columns=columns)
    assert found.rows == plain
    assert (found.rejected, found.notes) == ([], {"joined_files": 1})


ESCAPED = r"""body,stars
"ta \"li\" so","pos"
"ta \"li, ku\" so","pos"
"ends \"so\"","neg"
"over \"two\"
lines",neg
"ro",neg
"""


@pytest.mark.case("04")
@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_backslash_escaped_quotes_are_rejected_or_read(kind: str, end: str, tmp_path: Path) -> None:
    content = ESCAPED.replace(",", "," if kind == "csv" else "\t").replace("\n", end)
    found = reads(tmp_path / "plain", kind, {"a.csv": content})
    assert found.rows == [("ro", "neg")]
    assert [fault for fault, _ in found.rejected] == ["fields"] * 4
    assert all(
        "a backslash stands before a quote" in reason and "escape" in reason
        for _, reason in found.rejected
    )
    found = reads(tmp_path / "escape", kind, {"a.csv": content}, options=r', escape: "\\"')
    sign = "," if kind == "csv" else "\t"
    expected = ['ta "li" so', f'ta "li{sign} ku" so', 'ends "so"', f'over "two"{end}lines', "ro"]
    assert sorted(row[0] for row in found.rows) == sorted(expected)
    assert not found.rejected


@pytest.mark.case("04")
@pytest.mark.parametrize(
    "row", ['"ta" ,pos', '"ta"mi,pos', '""ta,pos', 'ta,"pos"x', '"ta, "mi" ro",pos', '"ta"mi']
)
def test_text_after_a_closing_quote_is_rejected(row: str, tmp_path: Path) -> None:
    columns = TEXTS if row != '"ta"mi' else "columns: {text: body}"
    header = "body,stars" if row != '"ta"mi' else "body"
    found = reads(
        tmp_path,
        "csv",
        {"a.csv": f"{header}\n{row}\n{row.replace(chr(34), '')}\n"},
        columns=columns,
    )
    assert (
        "fields",
        "something stands behind a closing quote, expected a separator or the end of the row.",
    ) in found.rejected
    assert len([fault for fault, reason in found.rejected if "closing quote" in reason]) == 1


@pytest.mark.case("04")
@pytest.mark.parametrize(
    "row",
    [
        '5" disk,pos',
        '"C:\\dir\\",pos',
        '"a ""b"" c",pos',
        '"a\nb",pos',
        '"",pos\n"x",pos',
        '"""a""",pos',
    ],
)
def test_well_formed_quotes_are_read(row: str, tmp_path: Path) -> None:
    found = reads(tmp_path, "csv", {"a.csv": f"body,stars\n{row}\n"})
    assert len(found.rows) == 1
    assert not [reason for _, reason in found.rejected if "quote" in reason]


@pytest.mark.case("08")
def test_replaced_file_with_equal_size_and_time_has_a_new_version(
    tmp_path: Path,
) -> None:
    reads(tmp_path, "csv", {"a.csv": CSV})
    dataset = find_dataset("made", tmp_path / "mine.yaml")
    access = Access(tmp_path)
    path = tmp_path / "files" / "a.csv"
    before = dataset.source.pieces(access, [])[0].version
    stat = path.stat()
    assert dataset.source.pieces(access, [])[0].version == before
    path.write_text(CSV.replace("pos", "xxx"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = dataset.source.pieces(access, [])[0].version
    assert after != before
    other = path.with_name("other")
    other.write_text(CSV)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    assert dataset.source.pieces(access, [])[0].version not in (before, after)


CLUTTER = ("__MACOSX/._a.csv", "._a.csv", ".DS_Store", "Thumbs.db", "desktop.ini", "x/.DS_Store")


@pytest.mark.case("09")
@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
def test_operating_system_files_in_archives_are_ignored(pack: Any, tmp_path: Path) -> None:
    name = "a.zip" if pack is zipped else "a.tar"
    members = {"reviews/a.csv": CSV.encode(), **dict.fromkeys(CLUTTER, b"\0\5\x16\7")}
    assert len(reads(tmp_path, "csv", {name: pack(members)}).rows) == 2
    with pytest.raises(
        RowError, match=r"holds 2 files, expected one: .*There are: b.csv, reviews/a.csv$"
    ) as caught:
        reads(tmp_path, "csv", {name: pack({"b.csv": b"2", **members})}, paths="*")
    assert str(caught.value).count(f"{name} holds") == 1
    assert str(caught.value).count(str(tmp_path)) == 1


@pytest.mark.case("09")
def test_operating_system_files_match_no_wildcard(tmp_path: Path) -> None:
    found = reads(tmp_path, "csv", {"a.csv": CSV, **dict.fromkeys(CLUTTER, b"\0\5\x16\7")})
    assert len(found.rows) == 2
    assert not found.rejected


@pytest.mark.case("10")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            gzip.compress(CSV.encode(), mtime=0),
            "first bytes are those of gzip, expected csv: set source.compression: gzip",
        ),
        (
            "a.csv",
            bz2.compress(CSV.encode()),
            "first bytes are those of bz2, expected csv: set source.compression: bz2",
        ),
        (
            "a.csv",
            lzma.compress(CSV.encode()),
            "first bytes are those of xz, expected csv: set source.compression: xz",
        ),
        (
            "a.csv",
            pa.compress(CSV.encode(), "zstd").to_pybytes(),
            "first bytes are those of zstd, expected csv",
        ),
        (
            "a.csv",
            zipped({"a.csv": CSV.encode()}),
            "first bytes are those of zip, expected csv: set source.compression: zip",
        ),
        (
            "a.csv",
            tarred({"a.csv": CSV.encode()}),
            "first bytes are those of tar, expected csv: set source.compression: tar",
        ),
        (
            "a.csv",
            zipped({"[Content_Types].xml": b"<x/>"}),
            "those of a spreadsheet .xlsx., expected csv: save it as csv",
        ),
        (
            "a.csv",
            FILES["parquet"][0],
            "first bytes are those of Parquet, expected csv: set format.kind: parquet",
        ),
        (
            "a.csv",
            CSV.encode("utf-16-le"),
            "looks like utf-16-le without a byte order mark.*set format.encoding: utf-16-le",
        ),
        (
            "a.csv.gz",
            CSV.encode(),
            "a.csv.gz is plain text that begins with 'body,stars'.*set source.compression: none",
        ),
        (
            "a.csv.gz",
            bz2.compress(CSV.encode()),
            "a.csv.gz is bz2.* says gzip: set source.compression: bz2",
        ),
        ("a.csv", b"\xfe\x01\x02,\x80\nab,c\n", "has no column 'body'"),
    ],
)
def test_file_with_a_wrong_extension_raises_with_its_name(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(RowError, match=message) as caught:
        reads(tmp_path, "csv", {name: content}, paths=name)
    assert all(sign.isprintable() for sign in str(caught.value))
    assert "\U0010ffff" not in str(caught.value)


@pytest.mark.case("10")
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_text_in_place_of_a_typed_table_raises(kind: str, tmp_path: Path) -> None:
    with pytest.raises(RowError, match=f"is text that begins with 'body,stars', expected {kind}"):
        reads(tmp_path, kind, {"a.x": CSV})


@pytest.mark.case("10")
@pytest.mark.parametrize("kind", ["jsonl", "conll", "text", "labelled", "abc"])
def test_packed_file_raises_in_every_text_format(kind: str, tmp_path: Path) -> None:
    content, columns = FILES[kind]
    with pytest.raises(
        RowError,
        match=f"first bytes are those of gzip, expected {kind}: set source.compression: gzip",
    ):
        reads(tmp_path, kind, {"a.x": gzip.compress(content, mtime=0)}, columns=columns)


@pytest.mark.case("11")
@pytest.mark.parametrize("head", ["sep=;\n", '"sep=;"\r\n', "SEP=;\r", "\ufeffsep=;\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_separator_line_is_respected(head: str, encoding: str, tmp_path: Path) -> None:
    found = reads(tmp_path, "csv", {"a.csv": (head + CSV.replace(",", ";")).encode(encoding)})
    assert found.rows == [("ku ro", "neg"), ("ta mi", "pos")]


@pytest.mark.case("11")
@pytest.mark.parametrize(
    ("kind", "sign"), [("csv", ";"), ("csv", "\t"), ("csv", "|"), ("tsv", ","), ("tsv", ";")]
)
def test_header_with_another_separator_raises_with_it(kind: str, sign: str, tmp_path: Path) -> None:
    with pytest.raises(RowError) as caught:
        reads(tmp_path, kind, {"a.csv": CSV.replace(",", sign)})
    assert f"is one column and holds {sign!r}: set format.separator: {json.dumps(sign)}" in str(
        caught.value
    )


NUMBERED = {
    "parquet": parquet(tokens=[["ta", "mi"]], tags=[[0, 1]]),
    "arrow": arrow(tokens=[["ta", "mi"]], tags=[[0, 1]]),
    "jsonl": b'{"tokens": ["ta", "mi"], "tags": [0, 1]}\n',
    "conll": b"ta 0\nmi 1\n",
}


@pytest.mark.case("12")
@pytest.mark.parametrize("kind", NUMBERED)
def test_numeric_tags_get_names_from_labels(kind: str, tmp_path: Path) -> None:
    columns = "columns: {tokens: 0, tags: 1}" if kind == "conll" else TAGS
    found = reads(
        tmp_path, kind, {"a.x": NUMBERED[kind]}, columns=columns, more="labels: {0: O, 1: B-PER}"
    )
    assert found.rows == [(["ta", "mi"], ["O", "B-PER"])]
    found = reads(tmp_path, kind, {"a.x": NUMBERED[kind]}, columns=columns)
    assert [fault for fault, _ in found.rejected] == ["unknown_label"]
    assert "tag '0' is a number without a name: name each number in labels" in found.rejected[0][1]
    assert "scheme" not in found.advice
    found = reads(tmp_path, kind, {"a.x": NUMBERED[kind]}, columns=columns, more="labels: {0: O}")
    assert found.rejected == [("unknown_label", "tag '1' has no name in labels, expected one of 0")]


@pytest.mark.case("12")
def test_remedy_names_only_options_of_the_format(tmp_path: Path) -> None:
    content = parquet(tokens=[["ta"]], tags=[["S-PER"]])
    assert "look at scheme" not in reads(tmp_path, "parquet", {"a.x": content}, columns=TAGS).advice
    with pytest.raises(RowError, match="labels, 0: a tag is O, B-kind or I-kind, got 'PER'"):
        reads(tmp_path, "parquet", {"a.x": content}, columns=TAGS, more="labels: {0: PER}")


@pytest.mark.case("13")
@pytest.mark.parametrize(
    "line",
    [
        "-DOCSTART- O",
        "-DOCSTART- -X- O O",
        "-DOCSTART-",
        "# newdoc",
        "# newdoc id = a1",
        "# sent_id = 3",
        "# text = ta mi",
        "#begin document (bc/x); part 000",
        "#end document",
        "# id 7f domain=en",
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_byte_order_mark_among_tokens_is_removed_and_counted(
    line: str, at: int, tmp_path: Path
) -> None:
    lines = ["ta O", "mi B-PER"]
    lines.insert(at, line)
    found = reads(
        tmp_path,
        "conll",
        {"a.x": "\n".join(lines) + "\n\nku O\n"},
        columns="columns: {tokens: 0, tags: -1}",
    )
    assert found.rows == [(["ku"], ["O"]), (["ta", "mi"], ["O", "B-PER"])]
    assert (found.rejected, found.notes) == ([], {"document_mark": 1})
    assert "Marks of documents and comments among tokens, which are left out: 1" in found.advice


@pytest.mark.case("39")
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "arrow", "text"])
def test_column_in_the_path_is_read(kind: str, tmp_path: Path) -> None:
    contents: dict[str, bytes] = {
        "csv": b"body\nta mi\n",
        "tsv": b"body\nta mi\n",
        "jsonl": b'{"body": "ta mi"}\n',
        "text": b"ta mi\n",
        "parquet": parquet(body=["ta mi"]),
        "arrow": arrow(body=["ta mi"]),
    }
    columns = "columns: {label: stars}" if kind == "text" else TEXTS
    folders = ("stars=so%20%C3%A9%2F1", "year=2026/stars=neg", "stars=__HIVE_DEFAULT_PARTITION__")
    files: dict[str, bytes | str] = {
        f"{folder}/a.x": contents[kind].replace(b"ta mi", b"ta m%d" % index)
        for index, folder in enumerate(folders)
    }
    found = reads(tmp_path, kind, files, columns=columns)
    assert found.rows == [("ta m0", "so é/1"), ("ta m1", "neg")]
    assert found.rejected == [("no_text", "label: empty")]


@pytest.mark.case("39")
def test_column_of_the_file_takes_precedence_over_the_path(tmp_path: Path) -> None:
    assert reads(tmp_path, "csv", {"stars=path/a.csv": CSV}).rows == [
        ("ku ro", "neg"),
        ("ta mi", "pos"),
    ]
    with pytest.raises(RowError, match="has no column 'stars'"):
        reads(tmp_path / "none", "csv", {"other=path/a.csv": "body\nta\n"})


def test_every_format_is_tested() -> None:
    assert set(FILES) | {"parallel", "json"} >= set(all_formats())
