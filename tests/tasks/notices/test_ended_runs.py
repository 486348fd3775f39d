"""Notices of real flow runs, through Prefect's blocks to a local webhook and mail server."""

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("engine", "store")


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def webhook() -> Iterator[tuple[int, list[Any]]]:
    """A web server that keeps what it receives."""
    received: list[Any] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: Any) -> None:
            pass

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)) as port:
        yield port, received


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """A mail server that keeps what it receives."""
    received: list[str] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 made\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go\r\n")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    received.append(b"".join(lines).decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)) as port:
        yield port, received


@pytest.fixture
def no_channel() -> Iterator[None]:
    """No channel is left for other tests."""
    from prefect.client.orchestration import get_client

    from tasks.notices.channels import _documents, _is_channel

    yield
    with get_client(sync_client=True) as client:
        for each in filter(_is_channel, _documents()):
            client.delete_block_document(each.id)


def ended_run(*states: Any) -> Any:
    """A flow run of a deployment that went through states."""
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    from flows.retrain import retrain

    with get_client(sync_client=True) as client:
        flow = client.create_flow(retrain)
        deployment = client.create_deployment(flow, name="nightly")
        run = client.create_flow_run_from_deployment(deployment, parameters={"dataset": "reviews"})
        for state in (Running(), *states):
            client.set_flow_run_state(run.id, state, force=True)
        return client.read_flow_run(run.id)


def test_a_killed_run_has_one_notice_and_another_if_a_retry_promotes() -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Completed, Crashed, Running

    from tasks.notices.hook import record_ended
    from tasks.notices.record import recorded

    began = datetime.now(UTC) - timedelta(minutes=1)
    run = ended_run(Crashed(message="process 7 is gone; closed by a later run"))
    record_ended(began)
    record_ended(began)
    with get_client(sync_client=True) as client:
        for state in (Running(), Completed(name="Promoted", message="91.0 against 90.1")):
            client.set_flow_run_state(run.id, state, force=True)
    record_ended(began)
    first, second = (each for each in recorded() if each.flow_run == str(run.id))
    assert first.kind == "failed"
    assert first.message == "reviews, retrain failed: process 7 is gone; closed by a later run"
    assert (first.deployment, first.dataset, first.flow) == ("nightly", "reviews", "retrain")
    assert first.links["run"].endswith(f"/runs/flow-run/{run.id}")
    assert second.message == "reviews, promoted: 91.0 against 90.1"


def test_an_unchanged_or_cancelled_run_has_none() -> None:
    from prefect.states import Cancelled, Completed

    from tasks.notices.hook import record_ended
    from tasks.notices.record import recorded

    began = datetime.now(UTC) - timedelta(minutes=1)
    runs = [ended_run(Completed(name="Unchanged")), ended_run(Cancelled(message="a signal"))]
    record_ended(began)
    assert not {str(run.id) for run in runs} & {each.flow_run for each in recorded()}


def test_the_flow_runs_hook_sends_a_notice_to_a_webhook_and_by_mail(
    no_channel: None, store: Path
) -> None:
    from prefect.states import Failed

    from flows.retrain import retrain
    from tasks.notices.channels import connect
    from tasks.notices.hook import send_notices
    from tasks.run_states import REFUSED_DATA

    with webhook() as (web, posts), mail_server() as (mail, mails):
        connect(f"http://127.0.0.1:{web}/T0SECRET/B0SECRET")
        connect(f"mailto://127.0.0.1:{mail}?from=a@example.org&to=b@example.org&mode=insecure")
        run = ended_run(Failed(name=REFUSED_DATA, message="row 812: no label"))
        for _ in range(2):
            send_notices(retrain, run, run.state)
    (post,) = [each for each in posts if str(run.id) in each["text"]]
    assert post["subject"] == "Refrain: reviews, refused-data"
    assert post["text"].startswith("reviews, data refused: row 812: no label\nhttp")
    assert len([each for each in mails if "row 812: no label" in each]) == 1
    files = "".join(path.read_text() for path in (store / "notices").rglob("*.json*"))
    assert "T0SECRET" not in files


def test_a_slack_webhook_gets_the_text(no_channel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.slack import NotifySlack

    from tasks.notices.channels import connect, find_channels

    connect("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    with webhook() as (port, posts):
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{port}/services")
        (channel,) = find_channels()
        assert channel.name == "slack-webhook/refrain-notices"
        channel.send("Refrain: reviews, promoted", "reviews, promoted: 91.0 against 90.1")
    assert "91.0 against 90.1" in json.dumps(posts)


def test_preferences_are_kept_in_a_variable() -> None:
    from tasks.notices.preferences import Preferences, read_preferences, write_preferences

    chosen = Preferences(skip=("kept",), digest_hour=7)
    write_preferences(chosen)
    assert read_preferences() == chosen
    write_preferences(Preferences())
