"""The tokenizer of BLEU for a dataset, by its language or by the script of its training rows."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from data.rows.streams import parquet_batches
from data.text.scripts import MOST, Scripts, count_scripts
from rnn_models.evaluation.text_metrics import (
    DEFAULT_TOKENIZER,
    NEEDS,
    choose_tokenizer,
    is_installed,
    language_tokenizer,
)
from rnn_models.problem import find_problem
from tasks.ingestion.catalog_entries import language_of
from tasks.pages.markdown import cell
from tasks.settings import EvaluationChanges, EvaluationSettings, changes
from tasks.store.artifacts import TokenSet

log = logging.getLogger(__name__)
FEW_WORDS = 4.0  # of a text; BLEU counts runs of up to four


def bleu_tokenizer(
    tokens: TokenSet, settings: EvaluationChanges, catalog: str | None = None
) -> str:
    """Name the tokenizer of BLEU; empty where a problem is not judged by BLEU.

    It follows from the settings, the entry and the training rows alone, and
    scores keep it: a champion is scored again with that of its challenger.
    """
    if "bleu" not in find_problem(tokens.problem).metrics:
        return ""
    chosen = EvaluationSettings(**changes(settings)).bleu_tokenizer
    if chosen != "auto":
        return chosen
    scripts = scripts_of(tokens, index=1)
    language = language_of(tokens.dataset, catalog)
    found = choose_tokenizer(
        language, unspaced_share=scripts.unspaced_share, han_share=scripts.han_share
    )
    log.info(
        "BLEU cuts texts by %s: language %s",
        found,
        language or "not known, decided by the script of the references",
    )
    return found


def scripts_of(tokens: TokenSet, *, index: int) -> Scripts:
    """Count the scripts of one side of the training rows: 0 is the source, 1 the target."""
    snapshot = tokens.snapshot_of()
    batches = parquet_batches(snapshot.folder / "train.parquet")
    problem = find_problem(tokens.problem)
    return count_scripts(
        table[("", *problem.sides(table.column_names))[-2:][index]] for table in batches
    )


def bleu_advice(language: str, report: Mapping[str, Any]) -> Iterator[str]:
    """Warn where BLEU would cut the references in an unwanted way, and advise what to do."""
    side = report["words"]["sides"].get("target", {})
    # Reports from before scripts were counted have no such share.
    if "unspaced_share" not in side or not report["kept"]:
        return
    share = side["unspaced_share"]
    wanted = language_tokenizer(language)
    used = choose_tokenizer(language, unspaced_share=share, han_share=side["han_share"])
    setting = "evaluation.bleu_tokenizer chooses another"
    if wanted and not wanted.startswith("ko") and share < MOST:
        yield (
            f"language {cell(language)} makes BLEU cut target by `{used}`, but only {share:.0%} of "
            "its letters are of scripts without spaces between words: look at language and "
            f"columns, or {setting}."
        )
    elif wanted and not is_installed(wanted):
        command = f'pip install "sacrebleu[{NEEDS[wanted][0]}]"'
        yield (
            f"BLEU will cut target by `{used}`, for `{wanted}` is not installed: "
            f"`{command}` brings it."
        )
    elif not wanted and share >= MOST:
        yield (
            f"BLEU will cut target by `{used}`, since {share:.0%} of its letters are of scripts "
            f"without spaces between words and language {cell(language)} names none that has a "
            f"tokenizer of its own: correct language, or {setting}."
        )
    train = side.get("train", {"running": 0})
    words = train["running"] / max(1, report["words"]["rows"]["train"])
    if used == DEFAULT_TOKENIZER and 0 < words < FEW_WORDS:
        yield (
            f"target has {words:.1f} words a row, and BLEU counts runs of four: where most have "
            "fewer, evaluation.bleu_tokenizer=char or chrF says more."
        )
