"""Scores, the decision and the weak parts of a model card."""

from collections.abc import Iterator

from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.slices import LEAST
from tasks.pages.card_contents import SENTENCE_CHARACTERS, Card, listed, short_name
from tasks.pages.markdown import cell, table_row
from tasks.pages.promotion import RAW_TEXT
from tasks.pages.scores import digits, interval, title

MAX_SLICES = 12


def score_rows(card: Card) -> Iterator[str]:
    """Write the table of scores beside those of the champion and the baselines."""
    scores = card.scores
    promotion = card.promotion
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


def signatures(card: Card) -> str:
    """Describe how each score was measured, where it has a signature."""
    scores = card.scores
    signatures = [
        f"{title(name)}: `{score['signature']}`."
        for name, score in scores.metrics.items()
        if score["signature"]
    ]
    chosen = f"Best baseline on the validation split: {scores.baseline.replace('_', ' ')}."
    return " ".join(
        [*signatures, *([chosen] if len(scores.baselines) > 1 and scores.baseline else [])]
    )


def decision(card: Card) -> str:
    """Write the decision on the version."""
    promotion = card.promotion
    reason = promotion.reason if promotion else card.tags.get("refrain.decision.reason")
    return f"Decision: {cell(reason[:SENTENCE_CHARACTERS])}" if reason else "Not decided on yet."


def weak_parts(card: Card) -> Iterator[str]:
    """Write which parts of the test split are weak, and their scores."""
    slices = card.facts.slices
    if not slices:
        yield "The test texts are scored as one, so no part of them has a score."
        return
    weak = [each for each in slices if each.is_weak]
    few = (
        f" A part of fewer than {LEAST} examples is not judged."
        if any(each.num_examples < LEAST for each in slices)
        else ""
    )
    yield (
        "A part is weak if its interval lies wholly on the worse side of the overall score; the "
        f"intervals of all {len(slices)} parts together hold with 95 %.{few}"
    )
    yield (
        f"**{listed([each.name for each in weak], MAX_SLICES)}**"
        if weak
        else "No part is weak beyond chance."
    )
    yield "\n".join(_slice_rows(card))


def _slice_rows(card: Card) -> Iterator[str]:
    slices = card.facts.slices
    metric = card.scores.headline
    is_f1 = find_metric(metric).classes is not None
    shown = sorted(slices, key=lambda each: not each.is_weak)[:MAX_SLICES]
    of_class = "; of a class its F1" if is_f1 else ""
    yield f"| part of the test split | examples | {title(metric)}{of_class} | |"
    yield "|---|---:|---:|---|"
    yield table_row(
        "all",
        [f"{card.tokens.rows['test']:,}", _score(metric, card.scores.metrics[metric]["value"]), ""],
    )
    for each in (each for each in slices if each in shown):
        mark = "**weak**" if each.is_weak else "too few" if each.num_examples < LEAST else ""
        yield table_row(
            short_name(each.name), [f"{each.num_examples:,}", interval(metric, vars(each)), mark]
        )
    if len(slices) > len(shown):
        hidden = sum(each.is_weak for each in slices) - sum(each.is_weak for each in shown)
        yield table_row(
            f"{len(slices) - len(shown)} more, {hidden or 'none'} of them weak", ["", "", ""]
        )
