"""A signal within a training requests a stop; the previous handler gets it after the save."""

import os
import signal
from collections.abc import Iterator

import pytest

from tasks import stopping


class Terminated(BaseException):
    """The exception that Prefect raises for SIGTERM."""


def raise_terminated(number: int, frame: object) -> None:
    raise Terminated


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stopping, "_handlers", [])
    before = signal.signal(signal.SIGTERM, raise_terminated)
    yield
    signal.signal(signal.SIGTERM, before)
    stopping._requested.clear()
    stopping.forget_saved()


def train() -> None:
    """Steps of a training that saves and ends on request, as the loop does."""
    for step in range(1, 10):
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        if stopping.is_requested():
            stopping.note_saved(step)
            raise KeyboardInterrupt


def test_training_in_a_worker_saves_before_prefect_gets_the_signal() -> None:
    with pytest.raises(Terminated), stopping.listening("made"):
        train()
    assert stopping.describe_saved() == (
        "the training of made is saved at step 3; finished stages are kept"
    )
    assert signal.getsignal(signal.SIGTERM) is raise_terminated


def test_command_handles_the_signal_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    stopping.handle_with(lambda number, frame: (seen.append(number), stopping.request())[0])
    with pytest.raises(KeyboardInterrupt), stopping.listening("made"):
        train()
    assert seen == [signal.SIGTERM]


def test_stop_outside_training_reports_saved_stages_only() -> None:
    stopping.note_saved(7)
    assert stopping.describe_saved() == "finished stages are kept"
    assert not stopping.is_listening()
