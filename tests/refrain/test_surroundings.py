"""The environment of a command: stopped servers, a proxy, an ASCII terminal, a user's tasks.py."""

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refrain.engine import check_server
from refrain.environment import prepare
from refrain.services import free_port
from tasks.store.installation import ROOT
from tests.databases import begin_store
from tests.refrain.test_command_line import typed, typed_in_turn


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api"


@pytest.fixture
def website() -> Iterator[str]:
    """The address of a server that is no Prefect server."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


@pytest.mark.case("43")
def test_stopped_prefect_server_is_one_message_with_the_setting(
    made_catalog: Path, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{free_port()}/api"
    done = typed(
        "run",
        "made_sentiment",
        "--catalog",
        str(made_catalog),
        home=tmp_path,
        PREFECT_API_URL=address,
    )
    assert done.returncode == 1
    assert f"PREFECT_API_URL is {address}, and no server responds there" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.case("43")
def test_stopped_prefect_server_of_a_profile_is_one_message(
    made_catalog: Path, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{free_port()}/api"
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "profiles.toml").write_text(
        f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{address}"\n'
    )
    done = typed("run", "made_sentiment", "--catalog", str(made_catalog), home=tmp_path)
    assert done.returncode == 1
    assert f"PREFECT_API_URL is {address}, and no server responds there" in done.stderr


@pytest.mark.case("43")
def test_server_that_never_answers_is_reported_soon(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refrain.engine.RESPONSE_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(ValueError, match="no server responds there"):
        check_server(silent)
    assert time.monotonic() - started < 5


@pytest.mark.case("43")
@pytest.mark.parametrize("address", ["not an address", "http://", "ftp://127.0.0.1/x"])
def test_invalid_server_address_is_one_message(address: str) -> None:
    with pytest.raises(ValueError, match="PREFECT_API_URL is "):
        check_server(address)


@pytest.mark.case("43")
def test_server_other_than_prefect_is_one_message(website: str) -> None:
    with pytest.raises(
        ValueError, match=r"the server there is not a Prefect server: it responded b'<html>welcome"
    ):
        check_server(website)


@pytest.mark.case("46")
def test_proxy_is_not_used_for_localhost(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    before = dict(os.environ)
    try:
        os.environ |= {
            "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "example.org",
            "no_proxy": "",
        }
        prepare()
        assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost,::1"
        assert os.environ["no_proxy"] == "127.0.0.1,localhost,::1"
    finally:
        os.environ.clear()
        os.environ |= before


@pytest.mark.case("46")
def test_retraining_works_with_a_dead_proxy(
    made_catalog: Path, databases: Path, tmp_path: Path
) -> None:
    begin_store(tmp_path, databases)
    proxy = dict.fromkeys(
        ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9"
    )
    quick = [
        "--set",
        "training.max_epochs=1",
        "--set",
        "training.hidden_size=8",
        "--set",
        "training.embedding_size=8",
    ]
    words = ["run", "made_sentiment", "--catalog", str(made_catalog), *quick]
    done = typed(*words, home=tmp_path, NO_PROXY="", no_proxy="", **proxy)
    assert done.returncode == 0, done.stderr
    again = typed(*words, "--json", home=tmp_path, NO_PROXY="", no_proxy="", **proxy)
    assert "Unchanged at every stage" in again.stderr
    assert "engine" not in again.stderr  # it is not even started


@pytest.mark.case("22")
def test_ascii_terminal_escapes_other_characters_and_keeps_the_status(
    made_catalog: Path, tmp_path: Path
) -> None:
    screen = {
        "PYTHONIOENCODING": "ascii",
        "LC_ALL": "C",
        "LANG": "C",
        "REFRAIN_CATALOG": str(made_catalog),
    }
    commands = [["datasets"], ["--help"], ["run", "--settings"], ["check", "made_ner"], ["models"]]
    for done in typed_in_turn(*commands, home=tmp_path / "store", folder=tmp_path, **screen):
        assert done.returncode == 0, (done.args, done.stderr)
        assert "UnicodeEncodeError" not in done.stderr
        assert done.stdout
        assert done.stdout.isascii()


@pytest.mark.case("41")
@pytest.mark.parametrize(
    "command", [["-m", "refrain"], ["-c", "from refrain.__main__ import main; main()"]]
)
def test_tasks_module_of_the_user_does_not_shadow_ours(
    command: list[str], made_catalog: Path, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for name in ("tasks", "data", "flows", "rnn_models"):
        (app / f"{name}.py").write_text("raise SystemExit('the module of the user')\n")
    environment = os.environ | {
        "PYTHONPATH": f"{app}:{ROOT}",
        "REFRAIN_HOME": str(tmp_path / "store"),
    }
    words = [sys.executable, *command, "check", "made_ner", "--catalog", str(made_catalog)]
    done = subprocess.run(
        words, cwd=app, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.case("D18")
@pytest.mark.parametrize(
    "words", [["run", "rotten_tomatos"], ["check", "rotten_tomatos"], ["health", "rotten_tomatos"]]
)
def test_misspelled_dataset_is_found_before_heavy_imports(words: list[str], tmp_path: Path) -> None:
    environment = os.environ | {"REFRAIN_HOME": str(tmp_path)}
    command = [sys.executable, "-X", "importtime", "-m", "refrain", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert "did you mean rotten_tomatoes?" in done.stderr
    imported = {
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert imported.isdisjoint({"torch", "prefect", "mlflow"})


@pytest.mark.case("38")
def test_predict_accepts_a_text_that_starts_with_a_dash(tmp_path: Path) -> None:
    texts = ["-5 lumo ta", "-", "- lumo", "--5", "-x y", "--lumo ta"]
    commands = [["predict", "plain", text] for text in texts]
    for done in typed_in_turn(*commands, home=tmp_path / "store", folder=tmp_path):
        # The model is looked up after the text was read.
        assert "there is no model 'plain'" in done.stderr, done.args


@pytest.mark.case("38")
def test_misspelled_option_is_not_taken_as_text(tmp_path: Path) -> None:
    option, text = typed_in_turn(
        ["predict", "plain", "--lable"],
        ["predict", "plain", "--", "--lable"],
        home=tmp_path / "store",
        folder=tmp_path,
    )
    assert option.returncode == 1
    message = "there is no option --lable: did you mean --label? Write -- before a text that begins"
    assert f"{message} like one" in option.stderr
    assert "there is no model 'plain'" in text.stderr
