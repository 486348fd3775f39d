import hashlib
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tenacity import nap

from data.errors import RowError
from data.sources import package as source
from data.sources.base import Access
from data.sources.package import NetworkError, Package

WHEEL = "made_up-1.0-py3-none-any.whl"
ARCHIVE = "made_up-1.0.tar.gz"
LATER = "made_up-1.1-py3-none-any.whl"
ROWS = {
    "made_up/rows.csv": b"text,label\nlumo,pos\n",
    "made_up/test.csv": b"text,label\nsela,neg\n",
}
BOMB = b"raise SystemExit('a package was imported or run')\n"


def zipped(members: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    with tarfile.open(fileobj=(out := io.BytesIO()), mode="w:gz") as archive:
        for name, content in members.items():
            (about := tarfile.TarInfo(name)).size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return out.getvalue()


WHEEL_BYTES = zipped(ROWS | {"made_up/__init__.py": BOMB})
ARCHIVE_BYTES = tarred(
    {
        "made_up-1.0/setup.py": BOMB,
        "made_up-1.0/data/rows.zip": zipped({"rows.txt": b"lumo\tsela\n"}),
    }
)


def package_of(file: str, content: bytes, **changes: Any) -> Package:
    values = {
        "package": "made-up",
        "version": "1.0",
        "file": file,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return Package(**{**values, "members": {"all": "made_up/rows.csv"}, **changes})


def opened(package: Package, folder: Path) -> dict[str, bytes]:
    found = {}
    access = Access(folder)
    for piece in package.pieces(access, []):
        with package.open(piece, access) as streams:
            found[piece.split] = streams[0].read()
    return found


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(autouse=True)
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Configure pip with an empty index and no other setting; the tests add theirs."""
    monkeypatch.setattr(nap.time, "sleep", lambda seconds: None)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (empty := tmp_path / "empty").mkdir()

    def put(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"PIP_{name.upper()}", value)

    put(config_file=os.devnull, index_url=empty.as_uri())
    return put


@pytest.fixture
def index(tmp_path: Path, pip: Callable[..., None]) -> Path:
    """A folder that pip searches, with a wheel and an archive."""
    (folder := tmp_path / "index").mkdir()
    (folder / WHEEL).write_bytes(WHEEL_BYTES)
    (folder / ARCHIVE).write_bytes(ARCHIVE_BYTES)
    pip(find_links=str(folder))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


@pytest.fixture
def server(pip: Callable[..., None]) -> Iterator[dict[str, list[tuple[int, bytes]]]]:
    """An index on this machine: the responses to each path in turn, the last one repeated."""
    answers: dict[str, list[tuple[int, bytes]]] = {
        "/simple/made-up/": [(200, f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode())],
        f"/files/{WHEEL}": [(200, WHEEL_BYTES)],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            turns = answers.get(self.path, [(404, b"")])
            status, content = turns.pop(0) if len(turns) > 1 else turns[0]
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *about: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    pip(index_url=f"http://someone:secret@127.0.0.1:{http.server_port}/simple/")
    yield answers
    http.shutdown()
    http.server_close()


def test_wheel_is_read_without_being_unpacked_or_run(index: Path, store: Path) -> None:
    assert opened(package_of(WHEEL, WHEEL_BYTES), store) == {"all": ROWS["made_up/rows.csv"]}
    assert [path.name for path in files_of(store)] == [WHEEL]


def test_zip_inside_an_archive_is_read_without_being_unpacked_or_run(
    index: Path, store: Path
) -> None:
    package = package_of(
        ARCHIVE, ARCHIVE_BYTES, members={"all": "made_up-1.0/data/rows.zip!rows.txt"}
    )
    assert opened(package, store) == {"all": b"lumo\tsela\n"}
    assert [path.name for path in files_of(store)] == [ARCHIVE]


def test_test_split_is_read_before_train(index: Path, store: Path) -> None:
    members = {"train": "made_up/rows.csv", "test": "made_up/test.csv"}
    found = opened(package_of(WHEEL, WHEEL_BYTES, members=members), store)
    assert list(found.items()) == [
        ("test", ROWS["made_up/test.csv"]),
        ("train", ROWS["made_up/rows.csv"]),
    ]


def test_fetched_file_is_not_fetched_again(index: Path, store: Path) -> None:
    first = opened(package_of(WHEEL, WHEEL_BYTES), store)
    (index / WHEEL).unlink()
    assert opened(package_of(WHEEL, WHEEL_BYTES), store) == first


def test_file_with_a_wrong_hash_raises_with_both_hashes(index: Path, store: Path) -> None:
    with pytest.raises(RowError) as caught:
        opened(package_of(WHEEL, WHEEL_BYTES, sha256="0" * 64), store)
    for message in (WHEEL, hashlib.sha256(WHEEL_BYTES).hexdigest(), "0" * 64, "on the index"):
        assert message in str(caught.value)
    assert files_of(store) == []


def test_transfer_with_a_wrong_hash_leaves_no_file(
    server: dict[str, list[tuple[int, bytes]]], store: Path
) -> None:
    server[f"/files/{WHEEL}"] = [(200, b"something else")]
    with pytest.raises(RowError, match=hashlib.sha256(b"something else").hexdigest()):
        opened(package_of(WHEEL, WHEEL_BYTES), store)
    assert files_of(store) == []


def test_changed_stored_file_is_not_used(index: Path, store: Path) -> None:
    path = package_of(WHEEL, WHEEL_BYTES).fetch(store)
    path.write_bytes(b"changed")
    with pytest.raises(
        RowError,
        match=re.escape(f"{WHEEL} in {path.parent} (delete it to fetch it again) has sha256"),
    ):
        opened(package_of(WHEEL, WHEEL_BYTES), store)


@pytest.mark.parametrize(
    ("file", "content", "member", "message"),
    [
        (
            WHEEL,
            WHEEL_BYTES,
            "made_up/row.csv",
            f"{WHEEL} has no member 'made_up/row.csv': did you mean made_up/rows.csv?",
        ),
        (
            WHEEL,
            WHEEL_BYTES,
            "made_up/rows.csv!a",
            f"{WHEEL}!made_up/rows.csv is neither a zip nor a tar archive",
        ),
        (
            ARCHIVE,
            ARCHIVE_BYTES,
            "made_up-1.0/data/rows.zip!row.txt",
            f"{ARCHIVE}!made_up-1.0/data/rows.zip has no member 'row.txt': did you mean rows.txt?",
        ),
        (
            ARCHIVE,
            ARCHIVE_BYTES,
            "../made_up-1.0/setup.py",
            f"{ARCHIVE} has no member '../made_up-1.0/setup.py'",
        ),
        (WHEEL, b"no archive", "made_up/rows.csv", f"{WHEEL} is neither a zip nor a tar archive"),
        (WHEEL, b"", "made_up/rows.csv", f"{WHEEL} is neither a zip nor a tar archive"),
    ],
    ids=["zip", "no zip inside", "zip inside", "outside", "text", "nothing"],
)
def test_missing_member_raises_with_its_name(
    file: str, content: bytes, member: str, message: str, index: Path, store: Path
) -> None:
    (index / file).write_bytes(content)
    with pytest.raises(RowError, match=re.escape(message)):
        opened(package_of(file, content, members={"all": member}), store)


@pytest.mark.parametrize(
    ("package", "file", "message"),
    [
        ("made-up", LATER, f"no file '{LATER}' of package made-up: did you mean {WHEEL}?"),
        ("other", WHEEL, "of package other: it lists no file of that package"),
    ],
)  # fmt: skip
def test_file_missing_from_the_index_raises_with_its_name(
    package: str, file: str, message: str, index: Path, store: Path
) -> None:
    with pytest.raises(RowError, match=re.escape(message)):
        opened(package_of(file, WHEEL_BYTES, package=package), store)


def test_missing_network_raises_with_what_to_check(pip: Callable[..., None], store: Path) -> None:
    pip(index_url="http://127.0.0.1:1/simple/")
    with pytest.raises(NetworkError) as caught:
        opened(package_of(WHEEL, WHEEL_BYTES), store)
    for message in (
        WHEEL,
        "the package index (http://127.0.0.1:1/simple/)",
        f"{source.ATTEMPTS} tries",
        "`pip config list`",
    ):
        assert message in str(caught.value)


def test_fetched_file_needs_no_network(index: Path, store: Path, pip: Callable[..., None]) -> None:
    package_of(WHEEL, WHEEL_BYTES).fetch(store)
    pip(index_url="http://127.0.0.1:1/simple/", find_links="")
    assert opened(package_of(WHEEL, WHEEL_BYTES), store) == {"all": ROWS["made_up/rows.csv"]}


@pytest.mark.parametrize(
    "path", ["/simple/made-up/", f"/files/{WHEEL}"], ids=["the list", "the file"]
)
def test_request_to_a_failing_index_is_retried(
    path: str, server: dict[str, list[tuple[int, bytes]]], store: Path
) -> None:
    server[path] = [(503, b"busy")] * (source.ATTEMPTS - 1) + server[path]
    assert opened(package_of(WHEEL, WHEEL_BYTES), store) == {"all": ROWS["made_up/rows.csv"]}


@pytest.mark.parametrize(
    "path", ["/simple/made-up/", f"/files/{WHEEL}"], ids=["the list", "the file"]
)
def test_permanently_failing_index_raises_without_its_password(
    path: str, server: dict[str, list[tuple[int, bytes]]], store: Path
) -> None:
    server[path] = [(503, b"busy")]
    with pytest.raises(NetworkError, match="503") as caught:
        opened(package_of(WHEEL, WHEEL_BYTES), store)
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert files_of(store) == []


@pytest.mark.parametrize(
    ("file", "environment", "expected"),
    [
        ("[global]\nindex-url = http://file/", {}, "http://file/"),
        (
            "[global]\nindex-url = http://file/\n[install]\nindex-url = http://install/",
            {},
            "http://install/",
        ),
        (
            "[install]\nindex-url = http://install/",
            {"index_url": "http://environment/"},
            "http://environment/",
        ),
        ("[global]\nindex-url = http://file/", {"index_url": ""}, "http://file/"),
        ("[global]\nindex-url = http://file/it's", {}, "http://file/it's"),
        (
            "[list]\nindex-url = http://list/\n[global]\nindex-url = http://file/",
            {},
            "http://file/",
        ),
    ],
    ids=[
        "file",
        "section",
        "environment",
        "empty environment",
        "quote",
        "section of another command",
    ],
)
def test_settings_of_pip_apply_in_the_precedence_of_pip(
    file: str, environment: dict[str, str], expected: str, tmp_path: Path, pip: Callable[..., None]
) -> None:
    (path := tmp_path / "pip.conf").write_text(file)
    os.environ.pop("PIP_INDEX_URL")
    pip(config_file=str(path), **environment)
    assert source._pip_settings()["index-url"] == expected


def test_all_find_links_are_searched(
    index: Path, tmp_path: Path, store: Path, pip: Callable[..., None]
) -> None:
    (tmp_path / "pip.conf").write_text(
        f"[global]\nfind-links =\n    {tmp_path / 'empty'}\n    {index}\n"
    )
    os.environ.pop("PIP_FIND_LINKS")
    pip(config_file=str(tmp_path / "pip.conf"), no_index="1")
    assert opened(package_of(WHEEL, WHEEL_BYTES), store) == {"all": ROWS["made_up/rows.csv"]}


@pytest.mark.parametrize("has_links", [False, True])
def test_no_index_is_used_when_pip_uses_none(
    has_links: bool, index: Path, store: Path, pip: Callable[..., None]
) -> None:
    pip(
        no_index="1",
        index_url="http://127.0.0.1:1/simple/",
        find_links=str(index) if has_links else "",
    )
    with pytest.raises(RowError, match=r"has no file 'other\.whl'"):
        opened(package_of("other.whl", WHEEL_BYTES), store)
