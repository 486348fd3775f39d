"""Facts, limits and calls of a model card."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from data.text.tokenizer import WHOLE_TOKENS
from rnn_models.output_kind import OutputKind
from tasks.pages.card_contents import Card, listed
from tasks.pages.markdown import cell, table_row
from tasks.serving.predict_table import declared_parameters, defaults_of

MAX_LABELS = 20


def fact_rows(card: Card) -> Iterator[str]:
    """Write the table of facts: problem, model, training, data."""
    tags = card.tags
    tokens = card.tokens
    checkpoint = card.checkpoint
    settings = checkpoint.settings
    rows = {split: f"{num:,}" for split, num in tokens.rows.items()}
    yield "| what it is | |"
    yield "|---|---|"
    yield table_row("problem", [f"{card.scores.problem}: {card.kind.shape}"])
    yield table_row(
        "model",
        [f"{architecture(card.kind, settings)}; {checkpoint.num_parameters:,} parameters"],
    )
    yield table_row(
        "reads",
        [f"{cell(tokens.tokenizer)}, {tokens.sizes[card.kind.read_side]:,} ids"],
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
            f"{rows['train']} train{_limited(card)}, {rows['validation']} validation, "
            f"{rows['test']} test"
        ],
    )
    origin, source = (cell(tags.get(f"refrain.data.{name}", "")) for name in ("origin", "source"))
    yield table_row(
        "data",
        [
            f"{origin or 'in no catalog'}{f' (source: {source})' if source else ''}, "
            f"snapshot `{tokens.snapshot}`"
        ],
    )
    yield table_row("language", [cell(tags.get("refrain.data.language", "not stated"))])
    yield table_row("licence of the data", [cell(tags.get("refrain.data.licence", "not stated"))])


def _limited(card: Card) -> str:
    whole = card.snapshot.rows["train"]
    return f" (limit, of {whole:,})" if card.tokens.limit and card.tokens.limit < whole else ""


def architecture(kind: OutputKind, settings: Mapping[str, Any]) -> str:
    """Describe a model in a few words."""
    way = "bidirectional " if settings["bidirectional"] else ""
    encoder = (
        "convolutions" if settings["encoder"] == "cnn" else f"{way}{settings['encoder'].upper()}"
    )
    num = settings["num_layers"]
    layers = f"{num} layer{'s' * (num > 1)} of {settings['hidden_size']}"
    width = settings["embedding_size"]
    return f"{encoder}, {layers}, embeddings of {width}, {kind.architecture(settings)}"


def limit_lines(card: Card) -> Iterator[str]:
    """Write what the model cannot do, a line each."""
    tokens = card.tokens
    facts = card.facts
    language = cell(card.tags.get("refrain.data.language", ""))
    names = sorted({label.partition("-")[2] or label for label in tokens.sizes["labels"]} - {"O"})
    yield card.kind.limit.format(names=listed(names, MAX_LABELS))
    yield (
        f"Tested on rows of its own dataset only{f' ({language})' * bool(language)}: not on other "
        "languages, sources or times, not on adversarial texts, not for groups of people."
    )
    most = tokens.settings["max_length"]
    trained = (
        f"; in training, texts beyond {most:,} are {card.kind.long_rows}"
        if most < 10 * max(1, facts.longest)
        else ""
    )
    yield f"The longest text of its test has {facts.longest:,} tokens{trained}."
    if tokens.tokenizer in WHOLE_TOKENS:
        read = "by its characters alone" if tokens.sizes["characters"] else "as one id for all"
        yield (
            f"{100 * facts.unknown:.1f} % of the {facts.unit} of its test are unknown to it; each "
            f"is read {read}."
        )
    else:
        yield (
            f"{100 * facts.unknown:.1f} % of the {facts.unit} of its test are in no training text, "
            "and are read in pieces."
        )
    if card.kind.confidence:
        yield "Its scores from 0 to 1 are the model's own and were not calibrated."


def call_blocks(card: Card) -> Iterator[str]:
    """Write how the version is called: from Python, over HTTP, on the command line."""
    named = f"{card.version.name}/{card.version.version}"
    served = f"models:/{named}"
    defaults = defaults_of(card.kind, card.checkpoint.settings)
    start = {"label": card.facts.starts[0]} if card.facts.starts else {}
    row = {"text": "" if card.kind.is_continuation else "a text of yours", **start}
    params = {
        name: value for name, value in defaults.items() if name not in card.kind.scoring_parameters
    }
    body = json.dumps({"dataframe_records": [row], "params": params}, ensure_ascii=False)
    label = "".join(f" --label {shlex.quote(name)}" for name in start.values())
    yield _block(
        "python",
        "import mlflow, pandas",
        "",
        f'model = mlflow.pyfunc.load_model("{served}")',
        f"model.predict(pandas.DataFrame([{json.dumps(row, ensure_ascii=False)}]), "
        f"{json.dumps(params)})",
    )
    yield _block(
        "",
        f"mlflow models serve -m {served} --env-manager local --port 5001",
        "curl localhost:5001/invocations -H 'Content-Type: application/json' "
        f"-d {shlex.quote(body)}",
        f"refrain predict {named} {shlex.quote(row['text'])}{label}",
    )
    yield "\n".join(_parameter_rows(card.kind, defaults))


def _block(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _parameter_rows(kind: OutputKind, defaults: Mapping[str, Any]) -> Iterator[str]:
    declared = declared_parameters(kind)
    yield "| parameter | default | from | to | |"
    yield "|---|---:|---:|---:|---|"
    for name, value in defaults.items():
        about = declared[name].metadata
        bounds = ["" if about[end] is None else f"{about[end]:,}" for end in ("low", "high")]
        yield table_row(f"`{name}`", [f"{value}", *bounds, cell(about["about"])])
