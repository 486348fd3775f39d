"""The history of a model's champions, and where MLflow and the ledger disagree."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from tasks.promotion.champions import is_whole, named
from tasks.promotion.ledger import Ledger
from tasks.registry import mlflow_client
from tasks.registry.mlflow_client import CHAMPION, PREVIOUS
from tasks.registry.versions import check_model


def history(name: str) -> dict[str, Any]:
    """Read all lines of a model's ledger, its aliases in MLflow, and where the two disagree.

    Raises:
        ValueError: If there is no such model.
        OSError: If MLflow gave no answer.
    """
    check_model(name)
    ledger = Ledger.of(name)
    aliases = mlflow_client.aliases(name)
    lines = [asdict(line) for line in ledger.lines]
    return {
        "model": name,
        "aliases": aliases,
        "lines": lines,
        "drift": list(_drift(ledger, aliases)),
    }


def find_drift(name: str) -> list[str]:
    """Describe where MLflow and the ledger of a model differ.

    Raises:
        ValueError: If MLflow has no such model.
        OSError: If MLflow gave no answer.
    """
    check_model(name)
    return list(_drift(Ledger.of(name), mlflow_client.aliases(name)))


def _drift(ledger: Ledger, aliases: Mapping[str, str]) -> Iterator[str]:
    """Describe where MLflow and the ledger differ, and what is missing in either."""
    name = ledger.name
    champion = aliases.get(CHAMPION, "")
    lost = sorted(set(range(1, len(ledger.lines) + 1)) - {line.number for line in ledger.lines})
    if lost:
        yield f"line {lost[0]} of the ledger is missing: it was damaged or removed"
    if ledger.pending:
        number = ledger.pending.number
        yield f"line {number} was begun and not done: the next decision or rollback finishes it"
    if champion != ledger.champion:
        yield (
            f"in MLflow {named(champion)} is champion, in the ledger {named(ledger.champion)}: "
            "set by hand, or from another "
            "store; the next decision or rollback writes it down"
        )
    elif ledger.lines and aliases.get(PREVIOUS, "") != ledger.lines[-1].previous:
        ours = named(ledger.lines[-1].previous)
        yield f"in MLflow {named(aliases.get(PREVIOUS))} is previous, in the ledger {ours}"
    if champion and not is_whole(name, champion):
        yield (
            f"{named(champion)} is champion and not complete: "
            f"refrain rollback {name} puts another in its place"
        )
