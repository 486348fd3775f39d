"""The password of `refrain up`: private, kept, and given to its own server only."""

import http.server
import stat
import threading
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from refrain.access import access_file, keep_auth, kept_auth
from refrain.deployments import basic
from refrain.engine import check_password
from refrain.environment import prepare

API = "http://127.0.0.1:4200/api"


def test_password_is_generated_once_and_readable_by_its_owner_only(store: Path) -> None:
    store.mkdir()
    auth = keep_auth(API)
    assert auth.startswith("refrain:")
    assert len(auth) > 30
    assert stat.S_IMODE(access_file().stat().st_mode) == 0o600
    assert keep_auth(API) == auth == kept_auth(API)
    assert [path.name for path in store.iterdir()] == ["up.env"]


def test_password_readable_by_others_is_replaced(store: Path) -> None:
    store.mkdir()
    auth = keep_auth(API)
    access_file().chmod(0o644)
    assert keep_auth(API) != auth
    assert stat.S_IMODE(access_file().stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"export PREFECT_API", b"\xff\xfe"])
def test_damaged_password_file_is_replaced(store: Path, content: bytes) -> None:
    store.mkdir()
    access_file().write_bytes(content)
    access_file().chmod(0o600)
    assert kept_auth(API) == ""
    assert kept_auth("") == ""
    assert keep_auth(API) == kept_auth(API) != ""


def test_password_of_the_user_takes_precedence(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.mkdir()
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "joe:mine")
    assert keep_auth(API) == "joe:mine" == kept_auth(API)


@pytest.mark.parametrize(
    ("url", "expected"), [(API, True), (f"{API}/", True), ("http://elsewhere:4200/api", False)]
)
def test_command_sends_the_password_only_to_the_server_of_its_store(
    store: Path, monkeypatch: pytest.MonkeyPatch, url: str, expected: bool
) -> None:
    store.mkdir()
    auth = keep_auth(API)
    for name in ("PREFECT_API_AUTH_STRING", "no_proxy", "NO_PROXY", "PYTHONPATH"):
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("PREFECT_API_AUTH_STRING")
    monkeypatch.setenv("PREFECT_API_URL", url)
    found: dict[str, str] = {}
    monkeypatch.setattr("refrain.environment.os.environ.setdefault", found.setdefault)
    prepare()
    assert found.get("PREFECT_API_AUTH_STRING") == (auth if expected else None)


def test_server_with_another_password_raises_with_the_setting(store: Path) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers.get("Authorization") == basic("refrain:right")
            body = b'"3.8.8"' if is_known else b'{"exception_message": "Unauthorized"}'
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = f"http://127.0.0.1:{server.server_port}/api"
        with temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: "refrain:right"}):
            check_password(api)
        with (
            temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: "refrain:wrong"}),
            pytest.raises(ValueError, match=r"wants another password.*source \S*up\.env"),
        ):
            check_password(api)
        server.shutdown()
