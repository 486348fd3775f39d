"""Channels of notices that do not respond, and notices that wait."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from refrain.doctor.finding import ERROR, WARNING
from refrain.doctor.notices import check_notices
from refrain.services import free_port
from tasks.notices import channels, preferences
from tasks.notices.preferences import Preferences
from tasks.notices.record import record
from tests.tasks.notices.test_notices import notice


def found(monkeypatch: pytest.MonkeyPatch, url: str) -> list[Any]:
    since = datetime.now(UTC) - timedelta(days=1)
    channel = SimpleNamespace(name="made", since=since, block=SimpleNamespace(url=url))
    monkeypatch.setattr(channels, "find_channels", lambda: [channel])
    monkeypatch.setattr(preferences, "read_preferences", Preferences)
    seen: Any = SimpleNamespace(prefect_fault="")
    return list(check_notices(seen))


def test_a_channel_that_does_not_respond_is_an_error(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finding,) = found(monkeypatch, f"http://127.0.0.1:{free_port()}/T0SECRET")
    assert finding.level == ERROR
    assert "does not respond" in finding.text
    assert "T0SECRET" not in finding.text


def test_notices_that_wait_for_hours_are_a_warning(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(monkeypatch, "") == []
    record([notice(when=datetime.now(UTC) - timedelta(hours=3)), notice(run="r2")])
    (finding,) = found(monkeypatch, "")
    assert finding.level == WARNING


def test_a_channel_that_cannot_be_loaded_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("the block cannot be loaded")

    monkeypatch.setattr(channels, "find_channels", broken)
    (finding,) = check_notices(SimpleNamespace(prefect_fault=""))  # type: ignore[arg-type]
    assert (finding.level, finding.text) == (ERROR, "the block cannot be loaded")
