"""Plain English: documents and help texts are free of words that a reader has to translate."""

import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from refrain.app import app
from tasks.settings import setting_names

ROOT = Path(__file__).resolve().parents[1]
# Regular expressions, one per line: a list in code would be found by searches for such words.
WORDS = (ROOT / "tests" / "banned_words.txt").read_text().split("\n")[:-1]
BANNED = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = get_command(app)


def help_of(command: typer.main.TyperGroup | object) -> str:
    """The help text of a command with those of its options and arguments."""
    params = getattr(command, "params", [])
    texts = [getattr(command, "help", ""), *(getattr(param, "help", "") for param in params)]
    return "\n".join(text for text in texts if text)


def banned_in(text: str) -> list[str]:
    return [found[0] for found in BANNED.finditer(text)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_document_uses_plain_words(path: Path) -> None:
    assert banned_in(path.read_text()) == []


@pytest.mark.parametrize("name", sorted(COMMANDS.commands))  # type: ignore[attr-defined]
def test_help_of_every_command_uses_plain_words(name: str) -> None:
    text = help_of(COMMANDS.commands[name])  # type: ignore[attr-defined]
    assert text
    assert banned_in(text) == []


def test_help_of_refrain_uses_plain_words() -> None:
    assert banned_in(help_of(COMMANDS)) == []


@pytest.mark.parametrize(("name", "about"), setting_names().items())
def test_description_of_every_setting_uses_plain_words(name: str, about: str) -> None:
    assert banned_in(about) == []


def test_banned_word_is_found() -> None:
    plain = [word for word in WORDS if word.replace(" ", "").isalpha()]
    assert plain
    assert banned_in(f"The {plain[0]}, and {plain[-1].upper()}.") == [plain[0], plain[-1].upper()]
