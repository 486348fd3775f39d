"""Notices: one for each outcome and flow run, without secrets, and never at a run's cost."""

import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Crashed

from tasks.notices import delivery, hook
from tasks.notices.channels import Channel
from tasks.notices.delivery import message
from tasks.notices.hidden_secrets import known_secrets
from tasks.notices.notice import KINDS, OUTCOMES, Notice, sentence
from tasks.notices.preferences import Preferences
from tasks.notices.record import LONGEST, note_search, record, recorded, search_start, undelivered

NOW = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)


def notice(kind: str = "failed", run: str = "r1", when: datetime = NOW) -> Notice:
    return Notice(
        time=when.isoformat(),
        kind=kind,
        dataset="reviews",
        flow="retrain",
        deployment="reviews",
        flow_run=run,
        scheduled=NOW.isoformat(),
        message=sentence(kind, "reviews", "retrain", "the disk is full"),
        links={"run": "http://127.0.0.1:4200/runs/flow-run/r1"},
    )


class Block:
    """A channel's block that fails as often as it is given."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sent: list[str] = []

    def send(self, subject: str, body: str) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("no answer")
        self.sent.append(body)


def channel(monkeypatch: pytest.MonkeyPatch, block: Block, chosen: Preferences) -> None:
    made: Any = SimpleNamespace(name="webhook", since=NOW - timedelta(days=1), send=block.send)
    monkeypatch.setattr(delivery, "find_channels", lambda: [made])
    monkeypatch.setattr(delivery, "read_preferences", lambda: chosen)


def test_each_kind_of_state_has_an_outcome() -> None:
    assert set(KINDS.values()) | {"failed"} == set(OUTCOMES)


def test_a_long_reason_is_cut_to_one_line() -> None:
    text = sentence("kept", "reviews", "retrain", "not\nbetter " * 100)
    assert text.startswith("reviews, the champion stays: not better")
    assert "\n" not in text
    assert len(text) < 350


def test_the_decision_is_not_repeated() -> None:
    text = sentence("kept", "reviews", "retrain", "not promoted: it is worse")
    assert text == "reviews, the champion stays: it is worse"


def test_a_notice_is_recorded_once_for_each_flow_run_and_kind(store: Path) -> None:
    record([notice(), notice("promoted")])
    record([notice(), notice(run="r2")])
    assert [each.key for each in recorded()] == [
        ("r1", "failed"),
        ("r1", "promoted"),
        ("r2", "failed"),
    ]


def test_what_a_channel_did_not_accept_is_sent_once_with_the_next_notice(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = Block(failures=1)
    channel(monkeypatch, block, Preferences())
    record([notice()])
    assert delivery.deliver(NOW) == ["no answer"]
    record([notice("promoted", "r2")])
    assert delivery.deliver(NOW) == []
    assert delivery.deliver(NOW) == []
    (sent,) = block.sent
    assert "retrain failed: the disk is full" in sent
    assert "promoted" in sent


def test_a_new_channel_gets_no_notice_from_before_it_was_made(store: Path) -> None:
    record([notice()])
    assert undelivered("webhook", NOW + timedelta(seconds=1)) == []


def test_skipped_kinds_are_never_sent(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = Block()
    channel(monkeypatch, block, Preferences(skip=("kept",)))
    record([notice("kept")])
    delivery.deliver(NOW)
    channel(monkeypatch, block, Preferences())
    delivery.deliver(NOW)
    assert block.sent == []


def test_a_digest_is_sent_once_after_its_hour(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = Block()
    channel(monkeypatch, block, Preferences(digest_hour=9))
    record([notice(), notice("promoted", "r2", NOW + timedelta(minutes=5))])
    delivery.deliver(NOW + timedelta(minutes=30))
    assert block.sent == []
    record([notice("kept", "r3", NOW + timedelta(minutes=90))])  # of the next day's digest
    delivery.deliver(NOW + timedelta(hours=2))
    delivery.deliver(NOW + timedelta(hours=3))
    (sent,) = block.sent
    assert sent.count("the disk is full") == 2


@pytest.mark.parametrize("given", [{"skip": ("good",)}, {"digest_hour": 24}])
def test_unknown_preferences_are_rejected(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="notices: "):
        Preferences(**given)


def test_a_message_names_at_most_twenty_notices() -> None:
    subject, text = message([notice(run=str(number)) for number in range(25)])
    assert subject == "Refrain: 25 notices"
    assert text.endswith("and 5 more: refrain notices")


def test_secrets_of_the_environment_and_of_catalogs_are_hidden(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "own.yaml"
    catalog.write_text("made: {source: {path: 'postgresql://u:${env:MADE_LOGIN}@host/db'}}")
    monkeypatch.setenv("MADE_LOGIN", "hunter22")
    monkeypatch.setenv("SOME_TOKEN", "abcdefgh")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "refrain:swordfish")
    text = known_secrets({str(catalog)}).hide("hunter22, abcdefgh and swordfish")
    assert text == "***, *** and ***"


def test_the_search_for_ended_runs_overlaps_with_the_last_one(store: Path) -> None:
    now = datetime.now(UTC)
    assert search_start(now) == now
    note_search(now)
    assert search_start(now) == now - timedelta(hours=1)
    note_search(now - 2 * LONGEST)
    assert search_start(now) > now - LONGEST - timedelta(minutes=1)


def ended(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, work: Any) -> str:
    """Call the hook for a run of a deployment; return its log."""
    monkeypatch.setattr(hook, "record_ended", work)
    monkeypatch.setattr(hook, "LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(hook, "flow_run_logger", lambda run, flow: logging.getLogger("tasks"))
    run = FlowRun(flow_id=uuid4(), deployment_id=uuid4())
    hook.send_notices(SimpleNamespace(name="retrain"), run, Crashed())  # type: ignore[arg-type]
    return caplog.text


def test_a_fault_of_notices_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(began: datetime) -> None:
        raise OSError("the disk is full")

    assert "notices wait for the next flow run: the disk is full" in ended(
        monkeypatch, caplog, broken
    )


def test_a_channel_that_hangs_holds_a_flow_run_no_longer_than_the_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started = time.monotonic()
    text = ended(monkeypatch, caplog, lambda began: time.sleep(1.5))
    assert "they took more than" in text
    assert time.monotonic() - started < 1.2


def test_an_error_of_a_channel_hides_its_address() -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    block = CustomWebhookNotificationBlock(
        name="made",
        url="{{address}}",
        secrets={"address": "http://127.0.0.1:1/T0SECRET/path-of-it"},  # type: ignore[arg-type]
        json_data={"text": "{{body}}"},
    )
    with pytest.raises(OSError, match="custom did not accept the notice") as error:
        Channel("custom", NOW, block).send("subject", "body")
    assert "T0SECRET" not in str(error.value)
