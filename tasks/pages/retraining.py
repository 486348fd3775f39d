"""The page of a retraining: the decision first, then all that a person needs to judge it."""

from collections.abc import Iterator

from tasks.pages.champion_data import champion_data
from tasks.pages.gradients import gradient_lines
from tasks.pages.outputs import error_rows, sample_rows
from tasks.pages.progress import show_end
from tasks.pages.promotion import promotion_text
from tasks.pages.run_pages import is_in_run, publish
from tasks.pages.trend import trend
from tasks.store.artifacts import Checkpoint, Promotion, Scores, TokenSet


def retraining_page(promotion: Promotion, scores: Scores, tokens: TokenSet) -> None:
    """Show the decision and everything behind it on the Prefect run page."""
    if not is_in_run():
        return
    show_end(promotion.reason, promotion.dataset)
    text = retraining_text(promotion, scores, tokens)
    publish("promotion", promotion.dataset, text, promotion.reason)


def retraining_text(promotion: Promotion, scores: Scores, tokens: TokenSet) -> str:
    """Write the page in Markdown."""
    return promotion_text(promotion, scores, _sections(promotion, scores, tokens))


def _sections(promotion: Promotion, scores: Scores, tokens: TokenSet) -> Iterator[str]:
    yield "## Last decisions"
    yield trend(promotion.dataset, promotion.metric)
    yield "## Data since the champion's snapshot"
    yield champion_data(promotion.dataset, promotion.champion_version, tokens)
    checkpoint = Checkpoint.find(scores.dataset, scores.checkpoint)
    if checkpoint:
        yield "## Training and gradients"
        yield "\n".join(f"- {line}" for line in gradient_lines(checkpoint))
    errors = "\n".join(error_rows(scores))
    if errors:
        yield "## Worst errors on the test split"
        yield errors
    yield "## Samples"
    yield "\n".join(sample_rows(scores))
