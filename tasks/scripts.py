"""How BLEU cuts the texts of a dataset, by its language or by the script of its training rows."""

import logging

from data.catalog import find_dataset
from data.errors import RowError
from data.scripts import Scripts, count_scripts
from data.streams import parquet_batches
from rnn_models.problem import find_problem
from rnn_models.text_metrics import choose_tokenizer
from tasks.artifacts import TokenSet
from tasks.catalogs import catalog_paths
from tasks.settings import EvaluationChanges, EvaluationSettings, changes

log = logging.getLogger(__name__)


def bleu_tokenizer(tokens: TokenSet, settings: EvaluationChanges, catalog: str | None = None) -> str:
    """Name the tokenizer of BLEU; empty where a problem is not judged by BLEU.

    It follows from the settings, the entry and the training rows alone, and
    scores keep it: a champion is scored again with that of its challenger.
    """
    if "bleu" not in find_problem(tokens.problem).metrics:
        return ""
    chosen = EvaluationSettings(**changes(settings)).bleu_tokenizer
    if chosen != "auto":
        return chosen
    scripts, language = scripts_of(tokens, place=1), language_of(tokens.dataset, catalog)
    found = choose_tokenizer(language, unspaced_share=scripts.unspaced_share, han_share=scripts.han_share)
    log.info("BLEU cuts texts by %s: language %s", found, language or "not known, decided by the script of the references")
    return found


def language_of(dataset: str, catalog: str | None) -> str:
    """The language of a dataset's entry, empty if no catalog has it any more."""
    try:
        return find_dataset(dataset, *catalog_paths(catalog)).language
    except RowError:
        return ""


def scripts_of(tokens: TokenSet, *, place: int) -> Scripts:
    """Count the scripts of one side of the training rows: 0 is the source, 1 the target."""
    snapshot = tokens.snapshot_of()
    batches = parquet_batches(snapshot.folder / "train.parquet")
    problem = find_problem(tokens.problem)
    return count_scripts(table[("", *problem.sides(table.column_names))[-2:][place]] for table in batches)
