"""Commands that train and register nothing: ``refrain health`` and ``refrain compare``.

Heavy imports are inside the commands, so that ``refrain --help`` answers at
once. Both run without the engine: nobody follows them in a dashboard, and they
start twenty seconds earlier.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import (
    Assignments,
    Catalog,
    Json,
    Limit,
    Name,
    changed,
    check_names,
    joined,
    print_json,
)

app = typer.Typer()


@app.command()
def health(
    name: Name,
    num_steps: Annotated[
        int, typer.Option("--steps", min=1, metavar="N", help="Largest number of training steps.")
    ] = 200,
    assignments: Assignments = None,
    limit: Limit = None,
    catalog: Catalog = None,
    as_json: Json = False,
) -> None:
    """Measure the gradients of a dataset's first training steps, with and without clipping.

    The report has the loss, gradient norms, the oscillation of the loss, the
    decay of gradients over time, a suggested clip norm, and recommendations.
    It also covers a training that explodes. Registers nothing.

    **Examples**

        refrain health rotten_tomatoes

        refrain health msra --steps 400 --set training.encoder=rnn --set training.clip_norm=1
    """
    with plain_errors():
        check_names([name], catalog)
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from refrain.progress import show_progress
        from tasks.dataset_settings import with_entry_settings
        from tasks.gradient_health import check_health
        from tasks.pages.health import health_page, read_health, write_health
        from tasks.settings import parse_settings

        settings = with_entry_settings(
            name, parse_settings(changed(assignments, limit)), joined(catalog)
        )
        show_progress()
        found = check_health(
            token_set(name, settings.tokens, joined(catalog)), settings.training, num_steps
        )
        path = write_health(found)
        report = read_health(found)
    if as_json:
        print_json(report | {"page": str(path)})
        return
    from refrain.tables import show_page

    show_page(health_page(report))
    print(f"With figures: {path.as_uri()}")


class WordsCommand(TyperCommand):
    """A command whose ``--encoders`` takes all words up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read ``--encoders a b`` as ``--encoders a --encoders b``."""
        return super().parse_args(ctx, spread(args, "--encoders"))


def spread(words: list[str], option: str) -> list[str]:
    """Repeat an option before each of the words that follow it, up to the next option."""
    found: list[str] = []
    is_within = False
    for word in words:
        if word.startswith("-"):
            is_within = word == option
            found += [] if is_within else [word]
        else:
            found += [option, word] if is_within else [word]
    return found


@app.command(cls=WordsCommand)
def compare(
    name: Name,
    encoders: Annotated[
        list[str] | None,
        typer.Option(
            "--encoders", metavar="NAME ...", help="Some of rnn, gru, lstm, cnn; all by default."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="SPLIT", help="Split to score on: validation or test.")
    ] = "validation",
    assignments: Assignments = None,
    limit: Limit = None,
    catalog: Catalog = None,
    as_json: Json = False,
) -> None:
    """Train encoders on a dataset and compare them with its baselines, such as a bag of words.

    The table has scores, minutes, parameters and tokens per second. Trainings
    are stored: the same command answers at once, and `refrain run` with the
    same settings reuses them. Registers nothing.

    **Examples**

        refrain compare rotten_tomatoes --encoders rnn gru lstm cnn

        refrain compare msra --encoders lstm cnn --limit 5000 --set training.max_epochs=3
    """
    with plain_errors():
        check_names([name], catalog)
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from refrain.progress import show_progress
        from tasks.compare_systems import check_comparison, comparison_page
        from tasks.compare_systems import compare as compare_systems
        from tasks.dataset_settings import with_entry_settings
        from tasks.scoring.bleu_tokenizer import bleu_tokenizer
        from tasks.settings import parse_settings

        chosen = encoders or ["rnn", "gru", "lstm", "cnn"]
        settings = with_entry_settings(
            name, parse_settings(changed(assignments, limit)), joined(catalog)
        )
        check_comparison(chosen, settings.training, split)
        show_progress()
        tokens = token_set(name, settings.tokens, joined(catalog))
        tokenizer = bleu_tokenizer(tokens, settings.evaluation, joined(catalog))
        rows = compare_systems(tokens, chosen, settings.training, split, tokenizer)
    if as_json:
        print_json(rows)
        return
    from refrain.tables import show_page

    show_page(comparison_page(tokens, rows, split))


def token_set(dataset: str, settings: Any, catalog: str | None = None) -> Any:
    """Make the token set of ``refrain run`` with the same settings, without the engine."""
    from tasks.ingest import ingest
    from tasks.task_states import directly
    from tasks.tokenize import tokenize

    return directly(tokenize, directly(ingest, dataset, catalog), settings, catalog)
