"""The card of a version, as MLflow shows it: what it is, whose data, how good beside whom, where weak, how it is called."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from data.catalog.catalog import find_dataset
from data.errors import RowError
from data.text.tokenizer import WHOLE_TOKENS
from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.slices import LEAST
from rnn_models.problem import find_problem
from tasks.ingestion.catalogs import catalog_paths
from tasks.pages.markdown import cell, table_row
from tasks.pages.promotion import RAW_TEXT
from tasks.pages.scores import digits, interval, title
from tasks.registry import mlflow_client
from tasks.registry.versions import check_complete
from tasks.scoring.slices import SplitFacts, split_facts
from tasks.serving.predict_table import DECLARED, defaults_of
from tasks.store.artifacts import Checkpoint, ModelVersion, Promotion, Scores, Snapshot, TokenSet
from tasks.store.code import code_digest, digest

CARD, DECISION = (
    "refrain.card",
    "refrain.decision.digest",
)  # tags of a version: what its card was made of; the decision on it
MOST_CHARACTERS = 5000  # that MLflow's database keeps of a description
MOST_SLICES, MOST_LABELS, NAME_CHARACTERS, SENTENCE_CHARACTERS = 12, 20, 40, 600
DATA = ("about", "language", "licence", "origin")  # keys of an entry that a version tells
# By the name of what a model says, as what may be asked of it.
SHAPES = {
    "label": "a text in, one label out (many to one)",
    "tags": "tokens in, a tag for each out (many to many, aligned)",
    "target": "a text in, another text out (many to many)",
    "text": "a label or the beginning of a text in, a text out (one to many)",
}
LIMITS = {
    "label": "It says one of {names} of any text, also of one that is none of them; `threshold` makes it say null instead.",
    "tags": "It finds {names} and nothing else; entities neither overlap nor stand within one another.",
    "target": "It may leave out what a text says, or add to it, and no score of a single text shows that.",
    "text": "What it says is drawn by chance; nothing checks that it is true, new or harmless. It may repeat training texts.",
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """All that a card is made of.

    ``told`` are the version's tags, ``trained`` is the day of its training,
    ``promotion`` the decision on it, None before there is one.
    """

    version: ModelVersion
    checkpoint: Checkpoint
    snapshot: Snapshot
    tokens: TokenSet
    scores: Scores
    facts: SplitFacts
    told: Mapping[str, str]
    trained: str
    promotion: Promotion | None = None

    @property
    def target(self) -> str:
        """Name of what the model says."""
        return find_problem(self.scores.problem).rows[1]


def data_tags(dataset: str, catalog: str | None) -> dict[str, str]:
    """What a version tells of its data as its catalog entry says it; nothing if no catalog has the dataset any more."""
    try:
        entry = find_dataset(dataset, *catalog_paths(catalog))
    except RowError:
        return {}
    told = {name: getattr(entry, name) for name in DATA} | {"source": entry.entry["source"]["kind"]}
    return {f"refrain.data.{name}": value for name, value in told.items() if value}


def keep_card(
    version: ModelVersion, tokens: TokenSet, scores: Scores, promotion: Promotion | None = None
) -> None:
    """Write a version's card as its description in MLflow, unless the one that is there was made of the same.

    Args:
        version: Whose card it is.
        tokens: What it was trained on.
        scores: Its newest.
        promotion: The decision on it; if none is given, the one that its tags name.
    """
    told = dict(check_complete(version.name, version.version).tags)
    decided = promotion.digest if promotion else told.get(DECISION, "")
    about = {name: value for name, value in told.items() if name.startswith("refrain.data.")}
    key = digest(scores.digest, decided, about, code_digest("tasks/pages/model_card.py"))
    if told.get(CARD) == key:
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
        told=told,
        trained=mlflow_client.day_of(checkpoint.mlflow_run),
        promotion=promotion or Promotion.find(version.name, decided),
    )
    mlflow_client.describe_version(version.name, version.version, card_text(made))
    mlflow_client.set_version_tag(version.name, version.version, CARD, key)


def card_text(card: Card) -> str:
    """A card in Markdown, no longer than MLflow keeps."""
    parts = [
        f"# {cell(card.version.name)}, version {card.version.version}",
        cell(card.told.get("refrain.data.about", "")[:SENTENCE_CHARACTERS]),
        "\n".join(_facts(card)),
        "## Scores",
        f"On the test split `{card.scores.test_split}`, {card.snapshot.rows['test']:,} rows, with 95 % intervals.",
        "\n".join(_score_rows(card)),
        _signatures(card),
        _decision(card),
        "## Where it is weak",
        *_weak_parts(card),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(card)),
        "## How to call it",
        *_calls(card),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    return (
        text
        if len(text) <= MOST_CHARACTERS
        else text[: MOST_CHARACTERS - 1].rsplit("\n", 1)[0] + "\n"
    )


def _facts(card: Card) -> Iterator[str]:
    told, tokens, checkpoint, settings = (
        card.told,
        card.tokens,
        card.checkpoint,
        card.checkpoint.settings,
    )
    rows = {split: f"{num:,}" for split, num in tokens.rows.items()}
    yield "| what it is | |"
    yield "|---|---|"
    yield table_row("problem", [f"{card.scores.problem}: {SHAPES[card.target]}"])
    yield table_row(
        "model",
        [f"{architecture(card.target, settings)}; {checkpoint.num_parameters:,} parameters"],
    )
    yield table_row(
        "reads",
        [
            f"{cell(tokens.tokenizer)}, {tokens.sizes['target' if card.target == 'text' else 'source']:,} ids"
        ],
    )
    score = f" ({checkpoint.validation_score} on validation)" if checkpoint.validation_score else ""
    epochs = f"epoch {checkpoint.best_epoch} of {checkpoint.epochs}{score}"
    yield table_row(
        "trained",
        [f"{card.trained}, {checkpoint.train_seconds:,.0f} s, {epochs}, seed {settings['seed']}"],
    )
    yield table_row(
        "rows",
        [
            f"{rows['train']} train{_limited(card)}, {rows['validation']} validation, {rows['test']} test"
        ],
    )
    origin, source = (cell(told.get(f"refrain.data.{name}", "")) for name in ("origin", "source"))
    yield table_row(
        "data",
        [
            f"{origin or 'in no catalog'}{f' (source: {source})' if source else ''}, snapshot `{tokens.snapshot}`"
        ],
    )
    yield table_row("language", [cell(told.get("refrain.data.language", "not stated"))])
    yield table_row("licence of the data", [cell(told.get("refrain.data.licence", "not stated"))])


def _limited(card: Card) -> str:
    whole = card.snapshot.rows["train"]
    return f" (limit, of {whole:,})" if card.tokens.limit and card.tokens.limit < whole else ""


def architecture(target: str, settings: Mapping[str, Any]) -> str:
    """A model in a few words."""
    way = "bidirectional " if settings["bidirectional"] else ""
    encoder = (
        "convolutions" if settings["encoder"] == "cnn" else f"{way}{settings['encoder'].upper()}"
    )
    layers = f"{settings['num_layers']} layer{'s' * (settings['num_layers'] > 1)} of {settings['hidden_size']}"
    more = {
        "label": f"pooling {settings['pooling']}",
        "tags": f"CRF, tags {settings['tag_scheme'].upper()}",
        "target": f"decoder with attention ({settings['attention']}), beam of {settings['beam_width']}",
        "text": "a language model",
    }[target]
    return f"{encoder}, {layers}, embeddings of {settings['embedding_size']}, {more.replace('_', ' and ')}"


def _score_rows(card: Card) -> Iterator[str]:
    scores, promotion = card.scores, card.promotion
    champion = promotion.champion_version if promotion else ""
    names = list(scores.baselines)
    heads = [
        f"version {card.version.version}",
        *([f"champion then, version {champion}"] if champion else []),
    ]
    yield table_row("", [*heads, *(name.replace("_", " ") for name in names)])
    yield "|---|" + "---:|" * (len(heads) + len(names))
    for metric, score in scores.metrics.items():
        theirs = (
            [promotion.champion_score if metric == promotion.metric else None]
            if promotion and champion
            else []
        )
        beside = [*theirs, *(scores.baselines[name].get(metric) for name in names)]
        named = f"{title(metric)}{', lower is better' * find_metric(metric).is_cost}"
        yield table_row(
            named, [f"**{interval(metric, score)}**", *(_score(metric, value) for value in beside)]
        )
    for metric, value in scores.raw_text.items():
        blanks = [""] * (len(heads) - 1 + len(names))
        yield table_row(
            f"{title(metric)} of raw text ({RAW_TEXT})", [_score(metric, value), *blanks]
        )


def _score(metric: str, value: float | None) -> str:
    return "" if value is None else f"{value:.{digits(metric)}f}"


def _signatures(card: Card) -> str:
    """How each score was measured, where that needs to be known."""
    scores = card.scores
    told = [
        f"{title(name)}: `{score['signature']}`."
        for name, score in scores.metrics.items()
        if score["signature"]
    ]
    chosen = f"Best baseline on the validation split: {scores.baseline.replace('_', ' ')}."
    return " ".join([*told, *([chosen] if len(scores.baselines) > 1 and scores.baseline else [])])


def _decision(card: Card) -> str:
    said = card.promotion.reason if card.promotion else card.told.get("refrain.decision.reason")
    return f"Decision: {cell(said[:SENTENCE_CHARACTERS])}" if said else "Not decided on yet."


def _weak_parts(card: Card) -> Iterator[str]:
    slices = card.facts.slices
    if not slices:
        yield "The test texts are scored as one, so no part of them has a score."
        return
    weak = [each for each in slices if each.is_weak]
    few = (
        f" Of fewer than {LEAST} examples nothing is said."
        if any(each.num_examples < LEAST for each in slices)
        else ""
    )
    said = f"Weak is a part whose interval lies wholly on the worse side of the overall score; the intervals of all {len(slices)} "
    yield f"{said}parts together hold with 95 %.{few}"
    yield (
        f"**{_listed([each.name for each in weak], MOST_SLICES)}**"
        if weak
        else "No part is weak beyond chance."
    )
    yield "\n".join(_slice_rows(card))


def _listed(names: list[str], most: int) -> str:
    return ", ".join(
        [*map(_name, names[:most]), *([f"{len(names) - most} more"] if len(names) > most else [])]
    )


def _name(name: str) -> str:
    return cell(name[:NAME_CHARACTERS])


def _slice_rows(card: Card) -> Iterator[str]:
    slices, metric = card.facts.slices, card.scores.headline
    is_f1 = find_metric(metric).classes is not None
    shown = sorted(slices, key=lambda each: not each.is_weak)[:MOST_SLICES]
    yield f"| part of the test split | examples | {title(metric)}{'; of a class its F1' * is_f1} | |"
    yield "|---|---:|---:|---|"
    yield table_row(
        "all",
        [f"{card.tokens.rows['test']:,}", _score(metric, card.scores.metrics[metric]["value"]), ""],
    )
    for each in (each for each in slices if each in shown):
        said = "**weak**" if each.is_weak else "too few" if each.num_examples < LEAST else ""
        yield table_row(
            _name(each.name), [f"{each.num_examples:,}", interval(metric, vars(each)), said]
        )
    if len(slices) > len(shown):
        hidden = sum(each.is_weak for each in slices) - sum(each.is_weak for each in shown)
        yield table_row(
            f"{len(slices) - len(shown)} more, {hidden or 'none'} of them weak", ["", "", ""]
        )


def _limits(card: Card) -> Iterator[str]:
    tokens, facts = card.tokens, card.facts
    language = cell(card.told.get("refrain.data.language", ""))
    names = sorted({label.partition("-")[2] or label for label in tokens.sizes["labels"]} - {"O"})
    yield LIMITS[card.target].format(names=_listed(names, MOST_LABELS))
    yield (
        f"Tested on rows of its own dataset only{f' ({language})' * bool(language)}: not on other languages, sources or times, "
        "not on adversarial texts, not for groups of people."
    )
    most = tokens.settings["max_length"]
    cut = "left out" if card.target == "target" else "cut"
    trained = (
        f"; in training, texts beyond {most:,} are {cut}"
        if most < 10 * max(1, facts.longest)
        else ""
    )
    yield f"The longest text of its test has {facts.longest:,} tokens{trained}."
    if tokens.tokenizer in WHOLE_TOKENS:
        read = "by its characters alone" if tokens.sizes["characters"] else "as one id for all"
        yield f"{100 * facts.unknown:.1f} % of the {facts.unit} of its test are unknown to it; each is read {read}."
    else:
        yield f"{100 * facts.unknown:.1f} % of the {facts.unit} of its test stand in no training text, and are read in pieces."
    yield "Its scores from 0 to 1 are the model's own and were not calibrated."


def _calls(card: Card) -> Iterator[str]:
    named, served = (
        f"{card.version.name}/{card.version.version}",
        f"models:/{card.version.name}/{card.version.version}",
    )
    asked = defaults_of(card.target, card.checkpoint.settings)
    start = {"label": card.facts.starts[0]} if card.facts.starts else {}
    row = {"text": "" if card.target == "text" else "a text of yours", **start}
    params = {name: value for name, value in asked.items() if name != "judge"}
    body = json.dumps({"dataframe_records": [row], "params": params}, ensure_ascii=False)
    label = "".join(f" --label {shlex.quote(name)}" for name in start.values())
    yield _block(
        "python",
        "import mlflow, pandas",
        "",
        f'model = mlflow.pyfunc.load_model("{served}")',
        f"model.predict(pandas.DataFrame([{json.dumps(row, ensure_ascii=False)}]), {json.dumps(params)})",
    )
    yield _block(
        "",
        f"mlflow models serve -m {served} --env-manager local --port 5001",
        f"curl localhost:5001/invocations -H 'Content-Type: application/json' -d {shlex.quote(body)}",
        f"refrain predict {named} {shlex.quote(row['text'])}{label}",
    )
    yield "\n".join(_param_rows(asked))


def _block(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _param_rows(asked: Mapping[str, Any]) -> Iterator[str]:
    yield "| may be asked | default | from | to | |"
    yield "|---|---:|---:|---:|---|"
    for name, value in asked.items():
        about = DECLARED[name].metadata
        bounds = ["" if about[end] is None else f"{about[end]:,}" for end in ("low", "high")]
        yield table_row(f"`{name}`", [f"{value}", *bounds, cell(about["about"])])
