"""Paths, hosts and redirects of parameters are read only where the operator permits it."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data.errors import RowError
from data.sources.base import Access
from data.sources.files import Files
from data.sources.hub import Hub
from data.sources.permissions import ALL, Permissions
from data.sources.sql import Sql


def access(folder: Path, *hosts: str) -> Access:
    return Access(folder / "downloads", permissions=Permissions((folder,), hosts))


@contextmanager
def website(location: str = "") -> Iterator[str]:
    """A server of one file, or of a redirect."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if location else 200)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "5")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"text\n")

        do_HEAD = do_GET  # noqa: N815, the library calls it

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/rows.txt"
        server.shutdown()


def content(path: str, chosen: Access) -> bytes:
    source = Files(paths={"all": path})
    (piece,) = source.pieces(chosen, [])
    with source.open(piece, chosen) as streams:
        return streams[0].read()


def test_path_in_a_permitted_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("row\n")
    assert content(str(tmp_path / "rows.txt"), access(tmp_path)) == b"row\n"
    assert content(str(tmp_path / "row*.txt"), access(tmp_path)) == b"row\n"
    assert content((tmp_path / "rows.txt").as_uri(), access(tmp_path)) == b"row\n"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/pass*",
        "file:///etc/passwd",
        "local:///etc/passwd",
        "{folder}/../../etc/passwd",
        "{folder}/link",
        "{folder}/lin*",
        "{folder}/out/passwd",
        "{folder}/o*/passwd",
        "simplecache::file:///etc/passwd",
        "zip://passwd::/etc/passwd.zip",
        "reference://etc/passwd",
        "ftp://127.0.0.1/passwd",
        "data:text/plain,row://",
        "/etc/archive.zip!passwd",
        "~/.ssh/id_rsa",
    ],
)
def test_path_outside_the_folders_raises(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "permitted"
    folder.mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "out").symlink_to("/etc")
    with pytest.raises(RowError, match=r"may not be read here|there is no file .*permitted/o"):
        content(path.format(folder=folder), access(folder))


def test_permission_error_names_path_folders_and_setting(tmp_path: Path) -> None:
    with pytest.raises(
        RowError,
        match=f"/etc/passwd may not be read here: expected a path in {tmp_path}. "
        "Whoever runs Refrain can change the list, REFRAIN_ALLOWED_PATHS",
    ):
        content("/etc/passwd", access(tmp_path))


def test_only_permitted_hosts_are_read(tmp_path: Path) -> None:
    with website() as url:
        assert content(url, access(tmp_path, "127.0.0.1")) == b"text\n"
        assert content(url, access(tmp_path, "127.*")) == b"text\n"
        with pytest.raises(RowError, match=r"\(host 127.0.0.1\) may not be read here: .* none"):
            content(url, access(tmp_path))


@pytest.mark.parametrize("target", ["http://localhost:{port}/rows.txt", "//localhost:{port}/x"])
def test_redirect_to_another_host_raises(tmp_path: Path, target: str) -> None:
    with (
        website() as there,
        website(target.format(port=there.split(":")[2].split("/")[0])) as url,
        pytest.raises(RowError, match=r"a redirect of 127.0.0.1 \(host localhost\) may not"),
    ):
        content(url, access(tmp_path, "127.0.0.1"))


def test_redirect_from_https_to_http_raises_even_without_a_list() -> None:
    with pytest.raises(RowError, match=r"redirects to http://example.org, which is not encrypted"):
        ALL.check_redirect("https://example.org/rows", "http://example.org/rows")
    ALL.check_redirect("http://example.org/rows", "https://example.org/rows")


def test_buckets_and_endpoints_are_checked_as_hosts() -> None:
    chosen = Permissions((), ("s3://reviews", "storage.example.org"))
    chosen.check_address("s3://reviews/a.csv", "s3", {}, "rows")
    chosen.check_address(
        "s3://reviews/a",
        "s3",
        {"client_kwargs": {"endpoint_url": "https://storage.example.org"}},
        "r",
    )
    with pytest.raises(RowError, match=r"host s3://others"):
        chosen.check_address("s3://others/a.csv", "s3", {}, "rows")
    with pytest.raises(RowError, match=r"host 169.254.169.254"):
        chosen.check_address(
            "s3://reviews/a", "s3", {"endpoint_url": "http://169.254.169.254"}, "r"
        )


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////etc/passwd",
        "sqlite:///file:/etc/passwd?mode=ro&uri=true",
        "postgresql://db.example.org/shop",
        "postgresql://inside/shop?host=db.example.org",
        "postgresql://inside,db.example.org/shop",
        "duckdb:///:memory:",
    ],
)
def test_databases_are_checked_as_hosts_or_paths(tmp_path: Path, url: str) -> None:
    source = Sql(url=url, table="rows")
    (piece,) = source.pieces(access(tmp_path, "inside"), [])
    with pytest.raises(RowError, match="may not be read here"):
        list(source.tables(piece, {"text": "text"}, access(tmp_path, "inside")))


def test_hub_folders_are_checked_as_paths_and_datasets_as_a_host(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="/etc may not be read here"):
        Hub(dataset="/etc", members={"all": "train"}).pieces(access(tmp_path), [])
    hub = Hub(dataset="a/b", revision="0" * 40, members={"all": "train"})
    assert hub.pieces(access(tmp_path, "huggingface.co"), [])
    with pytest.raises(RowError, match=r"host huggingface\.co"):
        hub.pieces(access(tmp_path), [])
