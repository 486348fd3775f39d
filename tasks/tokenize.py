"""Snapshot to token set: ids per split, memory-mapped, and vocabularies from training rows only."""

import logging
from dataclasses import asdict, replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from data.text.settings import default_settings
from tasks.ingestion.catalog_entries import checked_entry, sides_of
from tasks.ingestion.learned_vectors import find_or_learn
from tasks.settings import TokenChanges, changes
from tasks.store.artifacts import Snapshot, TokenSet
from tasks.store.code import code_digest, digest
from tasks.store.token_sets import identified, identity, sizes_of, streams_of, write_token_set
from tasks.task_states import unchanged

log = logging.getLogger(__name__)


@task(task_run_name="tokenize-{snapshot.dataset}", cache_policy=NO_CACHE)
def tokenize(snapshot: Snapshot, settings: TokenChanges, catalog: str | None = None) -> TokenSet:
    """Build vocabularies from the training rows and write all splits as ids."""
    entry = checked_entry(snapshot.dataset, catalog)
    sides = sides_of(entry)
    chosen = replace(
        default_settings(entry.tokenizer, is_generated=sides[-1] == "text"), **changes(settings)
    )
    learned = find_or_learn(entry, snapshot, chosen, catalog)
    read = replace(chosen, vectors=str(learned.path)) if learned else chosen
    key = digest(snapshot.splits, identity(entry.tokenizer), identified(read), sides, token_code())
    with TokenSet.once(snapshot.dataset, key) as (found, folder):
        if found:
            return unchanged(found)
        encoder, rows = write_token_set(
            folder, streams_of(snapshot, chosen.limit, sides), entry.tokenizer, read
        )
        return TokenSet(
            dataset=snapshot.dataset,
            digest=key,
            problem=entry.problem,
            tokenizer=entry.tokenizer,
            snapshot=snapshot.digest,
            rows=rows,
            sizes=sizes_of(encoder),
            limit=chosen.limit,
            test_split=snapshot.splits["test"],
            settings=asdict(chosen),
            format=entry.format["kind"] if entry.format else "",
            vectors=learned.digest if learned else "",
        ).commit()


def token_code() -> str:
    """Digest the code that makes token sets."""
    return code_digest("tasks/tokenize.py", libraries=("tokenizers",))
