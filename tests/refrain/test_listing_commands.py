"""Every command that lists something prints JSON too, and long work shows how far it is."""

import sys

import pytest
from typer.main import get_command

from refrain.app import app
from refrain.progress_line import ProgressLine

NO_LISTS = {"up", "init", "forget", "serve"}


def test_every_listing_command_has_a_flag_for_json() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    without = {
        name
        for name, command in commands.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == NO_LISTS


def test_a_terminal_gets_a_bar_and_a_log_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with ProgressLine() as line:
        line.advance("verifying", 500, 1000)
    bar = "#" * 12 + "-" * 12
    assert f"\rverifying [{bar}] 500 of 1,000" in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with ProgressLine() as line:
        line.advance("verifying", 1, 2)
        line.written -= 60
        line.advance("verifying", 2, 2)
    assert capsys.readouterr().err == "verifying: 2 of 2\n"
