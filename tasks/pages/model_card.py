"""The model card of a version, as MLflow shows it: facts, scores, weak parts, limits and calls."""

import re

from data.catalog.catalog import find_dataset
from data.errors import RowError
from tasks.ingestion.catalogs import catalog_paths
from tasks.pages.card_contents import SENTENCE_CHARACTERS, Card
from tasks.pages.card_facts import call_blocks, fact_rows, limit_lines
from tasks.pages.card_scores import decision, score_rows, signatures, weak_parts
from tasks.pages.markdown import cell
from tasks.registry import mlflow_client
from tasks.registry.version_facts import all_facts
from tasks.registry.versions import check_complete
from tasks.scoring.slices import split_facts
from tasks.store.artifacts import Checkpoint, ModelVersion, Promotion, Scores, TokenSet
from tasks.store.code import code_digest, digest

# Tags of a version: a digest of what its card was made of, and the decision on it.
CARD = "refrain.card"
DECISION = "refrain.decision.digest"
MAX_CHARACTERS = 5000  # of a description in MLflow's database
WIDE = "&emsp;"  # Markdown cuts plain spaces off a cell
COLUMN_END = re.compile(r"(?<=[^-:\\|]) \|(?= .)")  # of a row with text, but for the last one
DATA = ("about", "language", "licence", "origin")  # keys of an entry that become tags


def data_tags(dataset: str, catalog: str | None) -> dict[str, str]:
    """Make the tags that describe the data, from the catalog entry; none if there is no entry."""
    try:
        entry = find_dataset(dataset, *catalog_paths(catalog))
    except RowError:
        return {}
    values = {name: getattr(entry, name) for name in DATA}
    values["source"] = entry.entry["source"]["kind"]
    return {f"refrain.data.{name}": value for name, value in values.items() if value}


def keep_card(
    version: ModelVersion, tokens: TokenSet, scores: Scores, promotion: Promotion | None = None
) -> None:
    """Write a version's card as its description in MLflow, unless nothing in it changed.

    Args:
        version: Whose card it is.
        tokens: Its token set.
        scores: Its newest.
        promotion: The decision on it; if none is given, the one that its tags name.
    """
    tags = all_facts(check_complete(version.name, version.version))
    decided = promotion.digest if promotion else tags.get(DECISION, "")
    about = {name: value for name, value in tags.items() if name.startswith("refrain.data.")}
    code = code_digest("tasks/pages/model_card.py", f"rnn_models/problems/{scores.problem}.py")
    key = digest(scores.digest, decided, about, code)
    if tags.get(CARD) == key:
        return
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    assert checkpoint, "a version is registered and promoted by those who have its checkpoint"
    made = Card(
        version=version,
        checkpoint=checkpoint,
        snapshot=tokens.snapshot_of(),
        tokens=tokens,
        scores=scores,
        facts=split_facts(scores, tokens),
        tags=tags,
        trained=mlflow_client.day_of(checkpoint.mlflow_run),
        promotion=promotion or Promotion.find(version.name, decided),
    )
    mlflow_client.describe_version(version.name, version.version, spaced(card_text(made)))
    mlflow_client.set_version_tag(version.name, version.version, CARD, key)


def spaced(text: str) -> str:
    """Widen the columns of tables, which touch one another on MLflow's page, if there is room."""
    lines = [
        COLUMN_END.sub(rf"{WIDE}\g<0>", line) if line.startswith("|") else line
        for line in text.split("\n")
    ]
    widened = "\n".join(lines)
    return widened if len(widened) <= MAX_CHARACTERS else text


def card_text(card: Card) -> str:
    """Write a card in Markdown, no longer than MLflow keeps."""
    parts = [
        f"# {cell(card.version.name)}, version {card.version.version}",
        cell(card.tags.get("refrain.data.about", "")[:SENTENCE_CHARACTERS]),
        "\n".join(fact_rows(card)),
        "## Scores",
        f"On the test split `{card.scores.test_split}`, {card.snapshot.rows['test']:,} rows, "
        "with 95 % intervals.",
        "\n".join(score_rows(card)),
        signatures(card),
        decision(card),
        "## Where it is weak",
        *weak_parts(card),
        "## Limits",
        "\n".join(f"- {line}" for line in limit_lines(card)),
        "## How to call it",
        *call_blocks(card),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    return (
        text
        if len(text) <= MAX_CHARACTERS
        else text[: MAX_CHARACTERS - 1].rsplit("\n", 1)[0] + "\n"
    )
