"""Files: paths, globs, pairs, versions, and faults of HTTP servers."""

import gzip
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest

from data.errors import RowError
from data.sources.archives import COMPRESSIONS
from data.sources.base import Access, Partition
from data.sources.files import Files
from data.sources.filesystem import UnreachableError
from data.sources.located_files import version_of
from tests.data.sources.test_archives import zipped

SECRETS = {
    "${env:PW}": "p@ss/w:rd?&#",
    "${env:USER}": "reader",
    "${env:TOKEN}": "tok+en/=",
    "${env:SIGNED}": "sig=a%2Fb&se=1",
}


def reveal(text: str) -> str:
    for name, value in SECRETS.items():
        text = text.replace(name, value)
    return text


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(tmp_path / "downloads", reveal)


def wrote(folder: Path, **files: str) -> None:
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)


def read(source: Files, access: Access) -> list[tuple[bytes, ...]]:
    found = []
    for piece in source.pieces(access, []):
        with source.open(piece, access) as streams:
            found.append(tuple(stream.read() for stream in streams))
    return found


def listed(source: Files, access: Access) -> dict[str, str]:
    return {piece.name: piece.version for piece in source.pieces(access, [])}


def test_files_are_read_by_split_in_name_order(tmp_path: Path, access: Access) -> None:
    wrote(tmp_path, b_csv="2", a_csv="1", c_csv="3", t_csv="0")
    source = Files(
        paths={
            "train": [str(tmp_path / "c.csv"), str(tmp_path / "[ab].csv")],
            "test": str(tmp_path / "t.csv"),
        }
    )
    assert read(source, access) == [(b"0",), (b"3",), (b"1",), (b"2",)]
    assert [piece.split for piece in source.pieces(access, [])] == [
        "test",
        "train",
        "train",
        "train",
    ]


def test_only_new_or_changed_files_have_a_new_version(tmp_path: Path, access: Access) -> None:
    wrote(tmp_path, a_csv="1", b_csv="2")
    source = Files(paths={"all": str(tmp_path / "*.csv")})
    before = listed(source, access)
    wrote(tmp_path, c_csv="3")
    assert listed(source, access) == {
        **before,
        str(tmp_path / "c.csv"): listed(source, access)[str(tmp_path / "c.csv")],
    }
    (tmp_path / "a.csv").unlink()
    assert set(listed(source, access)) == {str(tmp_path / "b.csv"), str(tmp_path / "c.csv")}
    os.utime(tmp_path / "b.csv", ns=(1, 1))
    assert listed(source, access)[str(tmp_path / "b.csv")] != before[str(tmp_path / "b.csv")]


def test_link_has_the_version_of_its_target(tmp_path: Path, access: Access) -> None:
    wrote(tmp_path, real_txt="1")
    (tmp_path / "link.csv").symlink_to("real.txt")
    for path in ("link.csv", "*.csv"):
        source = Files(paths={"all": str(tmp_path / path)})
        before = listed(source, access)
        os.utime(tmp_path / "real.txt", ns=(len(path), len(path)))
        assert listed(source, access) != before


def test_partitions_are_stored_when_several_are_possible(tmp_path: Path, access: Access) -> None:
    wrote(tmp_path, a_csv="1")
    one, glob = (Files(paths={"all": str(tmp_path / path)}) for path in ("a.csv", "*.csv"))
    two = Files(paths={"train": str(tmp_path / "a.csv"), "test": str(tmp_path / "a.csv")})
    assert [
        [piece.is_kept for piece in source.pieces(access, [])] for source in (one, glob, two)
    ] == [
        [False],
        [True],
        [True] * 2,
    ]


def test_hidden_files_match_only_wildcards_that_start_with_a_dot(
    tmp_path: Path, access: Access
) -> None:
    for name in ("a.csv", ".b.csv", "x/c.csv", ".x/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read(Files(paths={"all": str(tmp_path / "**")}), access) == [(b"a.csv",), (b"x/c.csv",)]
    assert read(Files(paths={"all": str(tmp_path / ".*")}), access) == [(b".b.csv",)]


@pytest.mark.parametrize(
    "name", ["what[1]?.csv", "wow!.csv", "a*b.csv", "łódź.csv", "a b.csv", "50%.csv", "a#b.csv"]
)
def test_name_with_wildcard_characters_matches_an_existing_file_literally(
    name: str, tmp_path: Path, access: Access
) -> None:
    (tmp_path / name).write_text("1")
    assert read(Files(paths={"all": str(tmp_path / name)}), access) == [(b"1",)]
    assert list(listed(Files(paths={"all": str(tmp_path / name)}), access)) == [
        str(tmp_path / name)
    ]


def test_files_of_equal_name_in_two_folders_are_two_partitions(
    tmp_path: Path, access: Access
) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text(folder)
    assert len(listed(Files(paths={"all": str(tmp_path / "**/*.csv")}), access)) == 2


def test_members_of_an_archive_are_read_as_files(tmp_path: Path, access: Access) -> None:
    (tmp_path / "a.zip").write_bytes(
        zipped({"x/train.csv": b"1", "x/test.csv.gz": gzip.compress(b"2")})
    )
    paths = {"train": f"{tmp_path}/a.zip!x/train.csv", "test": f"{tmp_path}/a.zip!x/test.csv.gz"}
    assert read(Files(paths=paths), access) == [(b"2",), (b"1",)]
    with pytest.raises(
        RowError,
        match=rf"{tmp_path}/a\.zip has no member 'x/trian\.csv': did you mean x/train\.csv",
    ):
        read(Files(paths={"all": f"{tmp_path}/a.zip!x/trian.csv"}), access)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.csv", "there is no file {}/none.csv"),
        ("*.parquet", "there is no file {}/*.parquet"),
        (
            "folder",
            "{}/folder: expected a file, got a directory: for the files in a folder write its "
            "name and /*",
        ),
        ("none.zip!a.csv", "there is no file {}/none.zip!a.csv"),
    ],
)
def test_missing_file_raises_with_its_path_as_in_the_entry(
    path: str, message: str, tmp_path: Path, access: Access
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(RowError) as caught:
        Files(paths={"all": f"{tmp_path}/{path}"}).pieces(access, [])
    assert str(caught.value) == message.format(tmp_path)


def test_file_without_permission_raises_with_its_path(tmp_path: Path, access: Access) -> None:
    (tmp_path / "a.csv").write_text("1")
    source = Files(paths={"all": str(tmp_path / "a.csv")})
    piece = source.pieces(access, [])[0]
    (tmp_path / "a.csv").unlink()
    (tmp_path / "a.csv").mkdir()
    with (
        pytest.raises(OSError, match=rf"^cannot read {tmp_path}/a\.csv: Is a directory$"),
        source.open(piece, access),
    ):
        pass


def test_file_that_changes_while_it_is_read_raises(tmp_path: Path, access: Access) -> None:
    wrote(tmp_path, a_csv="1")
    source = Files(paths={"all": str(tmp_path / "a.csv")})
    with (
        pytest.raises(UnreachableError, match=r"a\.csv changed while it was read: start again"),
        source.open(source.pieces(access, [])[0], access) as streams,
    ):
        streams[0].read()
        wrote(tmp_path, a_csv="22")


def pairs(tmp_path: Path, source: str = "*.en", target: str = "*.fr") -> Files:
    return Files(
        paths={"all": {"source": str(tmp_path / source), "target": str(tmp_path / target)}}
    )


def test_globs_pair_files_by_the_text_of_their_wildcards(tmp_path: Path, access: Access) -> None:
    wrote(tmp_path, a_en="1", b_en="2", a_fr="I", b_fr="II")
    assert read(pairs(tmp_path), access) == [(b"1", b"I"), (b"2", b"II")]
    assert list(listed(pairs(tmp_path), access)) == [
        f"{tmp_path}/{x}.en + {tmp_path}/{x}.fr" for x in "ab"
    ]


def test_new_pair_is_the_only_new_partition(tmp_path: Path, access: Access) -> None:
    wrote(tmp_path, b_en="2", b_fr="II")
    before = listed(pairs(tmp_path), access)
    wrote(tmp_path, a_en="1", a_fr="I")
    after = listed(pairs(tmp_path), access)
    assert before.items() <= after.items()
    os.utime(tmp_path / "b.fr", ns=(1, 1))
    assert {
        name for name, version in listed(pairs(tmp_path), access).items() if after[name] != version
    } == set(before)


def test_unpaired_file_raises_with_its_name_despite_equal_numbers(
    tmp_path: Path, access: Access
) -> None:
    wrote(tmp_path, a_en="1", b_en="2", b_fr="II", c_fr="III")
    with pytest.raises(
        RowError, match=rf"^paths, all: {tmp_path}/a\.en of source has no file of target beside it$"
    ):
        pairs(tmp_path).pieces(access, [])
    (tmp_path / "a.en").unlink()
    with pytest.raises(RowError, match=r"c\.fr of target has no file of source beside it"):
        pairs(tmp_path).pieces(access, [])


def test_lists_pair_files_by_order_and_raise_for_different_lengths(
    tmp_path: Path, access: Access
) -> None:
    wrote(tmp_path, a_en="1", b_en="2", x_fr="I")
    assert read(pairs(tmp_path, "a.en", "x.fr"), access) == [(b"1", b"I")]
    with pytest.raises(
        RowError, match="paths, all: 2 files of source and 1 of target, expected as many"
    ):
        pairs(tmp_path, "*.en", "x.fr").pieces(access, [])


# What the libraries give, by what was printed of each with a server of its kind on this machine.
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
INFOS: dict[str, tuple[Mapping[str, Any], str]] = {
    "local": (
        {
            "name": "/a",
            "size": 3,
            "type": "file",
            "created": 1.5,
            "mtime": 1700000000000000001,
            "ino": 7,
        },
        "3-1700000000000000001",
    ),
    "memory": ({"name": "/a", "size": 3, "type": "file", "created": TIME}, f"3-{TIME.timestamp()}"),
    "s3, asked": (
        {
            "ETag": '"c4ca"',
            "LastModified": TIME,
            "size": 3,
            "name": "made/a",
            "type": "file",
            "StorageClass": "STANDARD",
            "VersionId": None,
            "ContentType": "binary/octet-stream",
        },
        "3-c4ca",
    ),
    "s3, listed": (
        {
            "Key": "made/a",
            "LastModified": TIME,
            "ETag": '"c4ca"',
            "ChecksumAlgorithm": ["CRC32"],
            "Size": 3,
            "size": 3,
            "StorageClass": "STANDARD",
            "type": "file",
            "name": "made/a",
        },
        "3-c4ca",
    ),
    "gs": (
        {
            "kind": "storage#object",
            "name": "made/a",
            "size": 3,
            "md5Hash": "xMpC",
            "crc32c": "kPWZ",
            "etag": "of metadata",
            "generation": "1795",
            "metageneration": "2",
            "mtime": TIME,
            "ctime": TIME,
            "updated": "2026",
            "type": "file",
        },
        "3-xMpC",
    ),
    "gs, composed, without md5": (
        {
            "kind": "storage#object",
            "name": "made/a",
            "size": 3,
            "crc32c": "kPWZ",
            "etag": "CJ2x",
            "mtime": TIME,
            "type": "file",
        },
        "3-CJ2x",
    ),
    "az": (
        {
            "metadata": {"is_directory": "false"},
            "creation_time": TIME,
            "deleted": None,
            "last_modified": TIME,
            "name": "made/a",
            "content_settings": {"content_md5": bytearray(b"12")},
            "etag": '"0x1E0B"',
            "size": 3,
            "type": "file",
        },
        "3-0x1E0B",
    ),
    "http with an etag": (
        {"name": "http://h/a", "size": 3, "ETag": '"abc"', "Last-Modified": "Fri", "type": "file"},
        "3-abc",
    ),
    "http with a time": (
        {"name": "http://h/a", "size": 3, "Last-Modified": "Fri", "type": "file"},
        "3-Fri",
    ),
    "http with a digest": (
        {"name": "http://h/a", "size": 3, "Content-MD5": "xyz", "type": "file"},
        "3-xyz",
    ),
    "http with nothing": (
        {
            "name": "http://h/a",
            "size": 3,
            "mimetype": "text/csv",
            "url": "http://h/a",
            "type": "file",
        },
        "",
    ),
}


@pytest.mark.parametrize("kind", INFOS)
def test_version_uses_the_metadata_of_each_file_system(kind: str) -> None:
    info, version = INFOS[kind]
    assert version_of(info) == version


def test_files_in_memory_are_found_by_a_glob_with_distinct_versions(access: Access) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/made/a.csv": b"1", "/made/b.csv": b"2", "/made/deep/c.csv": b"3"})
    source = Files(paths={"all": "memory://made/*.csv"})
    before = listed(source, access)
    assert list(before) == ["memory://made/a.csv", "memory://made/b.csv"]
    assert read(source, access) == [(b"1",), (b"2",)]
    memory.pipe("/made/a.csv", b"9")
    after = listed(source, access)
    assert [name for name in after if after[name] != before[name]] == ["memory://made/a.csv"]
    memory.rm("/made", recursive=True)
    with pytest.raises(RowError, match=r"there is no file memory://made/\*\.csv"):
        source.pieces(access, [])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("s3b://b/a.csv", "s3b://b/a.csv: there are no s3b addresses: did you mean s3?"),
        ("htp://h/a.csv", "htp://h/a.csv: there are no htp addresses: did you mean http?"),
    ],
)
def test_unknown_protocol_raises_with_the_nearest_name(
    path: str, message: str, access: Access
) -> None:
    with pytest.raises(RowError) as caught:
        Files(paths={"all": path}).pieces(access, [])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "extra"), [("s3", "s3"), ("gs", "gs"), ("abfs", "az"), ("https", "http")]
)
def test_missing_library_of_a_protocol_raises_with_what_to_install(
    kind: str, extra: str, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> type:
        raise ImportError("Install it")

    monkeypatch.setattr("data.sources.filesystem.get_filesystem_class", missing)
    with pytest.raises(
        RowError, match=rf"{kind} addresses need a library .*: pip install 'refrain-rnn\[{extra}\]'"
    ):
        Files(paths={"all": f"{kind}://b/a.csv"}).pieces(access, [])


def test_unknown_file_system_option_raises_with_the_nearest_name(
    access: Access,
) -> None:
    with pytest.raises(
        RowError, match=r"there is no option 'header' for http addresses: did you mean headers\?"
    ):
        Files(paths={"all": "http://127.0.0.1/a.csv"}, options={"header": {"X-Day": "1"}}).pieces(
            access, []
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compression": "gz"}, "there is no compression 'gz': did you mean gzip?"),
        (
            {"compression": "brotli"},
            f"there is no compression 'brotli': expected one of: {', '.join(sorted(COMPRESSIONS))}",
        ),
        ({"paths": {"all": []}}, "paths, all: expected a path or a list of paths, got []"),
        ({"paths": {"all": 7}}, "paths, all: expected a path or a list of paths, got 7"),
        (
            {"paths": {"all": ["a", ""]}},
            "paths, all: expected a path or a list of paths, got ['a', '']",
        ),
        ({"paths": {"all": {"source": "a"}}}, "paths, all: expected source and target, got source"),
        (
            {"paths": {"all": {"source": "a", "target": None}}},
            "paths, all, target: expected a path or a list of paths, got None",
        ),
    ],
)
def test_invalid_files_entry_raises(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError) as caught:
        Files(**{"paths": {"all": "a.csv"}, **change})
    assert str(caught.value) == message


class Served(BaseHTTPRequestHandler):
    """A server of files that can also fail in several ways."""

    files: dict[str, bytes]
    headers_of: Callable[[bytes], dict[str, str]] = staticmethod(
        lambda content: {"ETag": f'"{hash(content)}"'}
    )
    requested: list[tuple[str, str, str]]
    status = 200
    failures = 0
    cut = 0

    def do_GET(self) -> None:
        self.answer(is_whole=True)

    def do_HEAD(self) -> None:
        self.answer(is_whole=False)

    def answer(self, *, is_whole: bool) -> None:
        kind = type(self)
        kind.requested.append(
            (
                self.command,
                self.path,
                self.headers.get("authorization", self.headers.get("x-key", "")),
            )
        )
        content = kind.files.get(self.path.partition("?")[0], b"")
        status = kind.status
        if kind.failures:
            kind.failures = kind.failures - 1
            status = 503
        elif self.path.endswith("/"):
            content = "".join(f'<a href="{name}">{name}</a>' for name in kind.files).encode()
        elif self.path.partition("?")[0] not in kind.files:
            status = 404
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(content)),
            **kind.headers_of(content),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if is_whole:
            self.wfile.write(content[: len(content) - kind.cut])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Served]]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    kind = type("Serving", (Served,), {"files": {"/a.csv": b"1", "/b.csv": b"2"}, "requested": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    kind.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield kind
    server.shutdown()
    thread.join()
    server.server_close()


def web(served: type[Served], path: str, user: str = "", **options: Any) -> Files:
    return Files(paths={"all": f"http://{user}{served.address}/{path}"}, options=options)


def test_http_file_is_read_with_its_etag_as_version(served: type[Served], access: Access) -> None:
    source = web(served, "a.csv?day=1")
    assert read(source, access) == [(b"1",)]
    before = listed(source, access)
    assert listed(source, access) == before
    served.files["/a.csv"] = b"9"
    assert listed(source, access).keys() == before.keys() != set()
    assert listed(source, access) != before


def test_large_file_is_read_in_one_response_when_the_server_has_no_ranges(
    served: type[Served], access: Access
) -> None:
    served.files["/a.csv"] = os.urandom(1 << 20) * 12
    assert read(web(served, "a.csv"), access) == [(served.files["/a.csv"],)]
    assert [method for method, _, _ in served.requested].count("GET") == 1


@pytest.mark.parametrize(
    ("headers", "is_known"),
    [
        ({"Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}, True),
        ({"ETag": 'W/"1"'}, True),
        ({}, False),
    ],
)
def test_version_is_always_new_without_etag_and_time(
    headers: dict[str, str], is_known: bool, served: type[Served], access: Access
) -> None:
    served.headers_of = staticmethod(lambda content: headers)
    assert bool(next(iter(listed(web(served, "a.csv"), access).values()))) is is_known
    assert read(web(served, "a.csv"), access) == [(b"1",)]


def test_http_glob_matches_the_links_of_a_page(served: type[Served], access: Access) -> None:
    source = web(served, "*.csv", "${env:USER}:${env:PW}@")
    assert read(source, access) == [(b"1",), (b"2",)]
    assert list(listed(source, access)) == [
        f"http://${{env:USER}}:${{env:PW}}@{served.address}/{name}.csv" for name in "ab"
    ]
    assert all(sent.startswith("Basic ") for _, _, sent in served.requested)
    with pytest.raises(RowError, match=r"an address with a query cannot have a \*"):
        web(served, "*.csv?x=1").pieces(access, [])


def test_archives_and_packed_files_are_read_over_http(served: type[Served], access: Access) -> None:
    served.files |= {"/a.zip": zipped({"x.csv": b"3", "y.csv": b"4"}), "/a.gz": gzip.compress(b"5")}
    assert read(web(served, "a.zip!y.csv"), access) == [(b"4",)]
    assert read(web(served, "a.gz?x=1"), access) == [(b"5",)]


@pytest.mark.parametrize(
    ("path", "written"),
    [("a.csv?t=${env:TOKEN}", "t=tok%2Ben%2F%3D"), ("a.csv?${env:SIGNED}", "sig=a%2Fb&se=1")],
)
def test_secrets_are_url_encoded_in_their_part(
    path: str, written: str, served: type[Served], access: Access
) -> None:
    assert read(web(served, path, "${env:USER}:${env:PW}@"), access) == [(b"1",)]
    import base64
    from urllib.parse import unquote

    assert {sent for _, _, sent in served.requested} == {
        "Basic " + base64.b64encode(b"reader:p@ss/w:rd?&#").decode()
    }
    assert {unquote(requested) for _, requested, _ in served.requested} == {
        f"/a.csv?{unquote(written)}"
    }
    assert all("+" not in requested for _, requested, _ in served.requested)


def test_secret_address_is_unpacked_by_its_extension(
    served: type[Served], access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.files["/a.csv.gz"] = gzip.compress(b"5")
    monkeypatch.setitem(SECRETS, "${env:WHOLE}", f"http://{served.address}/a.csv.gz?sig=1")
    source = Files(paths={"all": "${env:WHOLE}"})
    assert read(source, access) == [(b"5",)]
    assert list(listed(source, access)) == ["${env:WHOLE}"]


def test_headers_may_contain_secrets(served: type[Served], access: Access) -> None:
    assert read(web(served, "a.csv", headers={"Authorization": "Bearer ${env:TOKEN}"}), access) == [
        (b"1",)
    ]
    assert {sent for _, _, sent in served.requested} == {"Bearer tok+en/="}


def test_request_is_retried_after_one_failure(served: type[Served], access: Access) -> None:
    served.failures = 3  # HEAD, then GET, for one question
    assert read(web(served, "a.csv"), access) == [(b"1",)]


REFUSED = {404: (RowError, "^there is no file "), 410: (RowError, "^there is no file ")}
REFUSED |= dict.fromkeys(
    (401, 403, 407), (RowError, "may not be read: .*Look at the user, key or token")
)
REFUSED |= dict.fromkeys((400, 500, 503), (UnreachableError, "^cannot read .*Look at the address"))


@pytest.mark.parametrize("status", REFUSED)
def test_each_http_error_status_raises_its_error_without_secrets(
    status: int, served: type[Served], access: Access
) -> None:
    served.status = status
    kind, message = REFUSED[status]
    with pytest.raises(kind, match=message) as caught:
        web(served, "a.csv?t=${env:TOKEN}", "${env:USER}:${env:PW}@").pieces(access, [])
    assert type(caught.value) is kind
    printed = "".join(traceback.format_exception(caught.value))
    assert not [part for part in ("tok+", "tok%2B", "p@ss", "p%40ss") if part in printed]


def test_unreachable_server_raises_a_retryable_error(access: Access, served: type[Served]) -> None:
    with pytest.raises(
        UnreachableError, match=r"cannot read http://127\.0\.0\.1:1/a\.csv: .*Look at the address"
    ):
        Files(paths={"all": "http://127.0.0.1:1/a.csv"}).pieces(access, [])


def test_truncated_response_raises(served: type[Served], access: Access) -> None:
    served.files["/a.csv"] = b"1" * 100_000
    served.cut = 10
    source = web(served, "a.csv")
    piece = source.pieces(access, [])[0]
    with (
        pytest.raises(UnreachableError, match=r"cannot read http://.*a\.csv: "),
        source.open(piece, access) as streams,
    ):
        streams[0].read()


def test_partition_does_not_contain_its_address(served: type[Served], access: Access) -> None:
    piece = web(served, "a.csv?t=${env:TOKEN}").pieces(access, [])[0]
    assert "tok" not in repr(piece)
    assert piece == Partition(split=piece.split, name=piece.name, version=piece.version)
