"""The page of the monitor: what drifted, how far each feature moved, and how fresh the rows are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.monitoring.freshness import Freshness
from tasks.monitoring.report import Monitoring
from tasks.pages.markdown import cell, table_row
from tasks.pages.scores import interval, title
from tasks.registry.mlflow_client import version_link

KINDS = {"psi": "stability index", "auc": "area under the curve", "loss": "points lost"}
MEANINGS = (
    "*By chance* is the value that rows without drift exceed once in twenty times; p is corrected "
    "for the number of lines. Drifted: p is at most `alpha`, and the value reaches its limit "
    "(`min_psi`, `min_auc`, `min_loss`). *classifier* is a linear model that tells new rows from "
    "older ones (0.5: it cannot)."
)


def monitor_text(found: Monitoring, fresh: Freshness) -> str:
    """Write the page: the verdict, then the evidence."""
    parts = [
        f"## {cell(found.dataset)}",
        f"**{cell(found.verdict[:1].upper() + found.verdict[1:])}.**",
        *(_advice(found)),
        "### The source",
        "\n".join(_source_lines(found, fresh)),
        *_score_part(found),
        *_measures_part(
            f"### {found.compared:,} new rows against as many of the champion's snapshot",
            found.measures,
        ),
        *_measures_part("### Predictions against those on the test split", found.logged),
        *([MEANINGS] if found.measures or found.logged else []),
        *_links(found),
    ]
    return "\n\n".join(parts) + "\n"


def _advice(found: Monitoring) -> list[str]:
    if not found.version:
        return [f"`refrain run {found.dataset}` trains one."]
    if found.drifted and found.num_new:
        return [f"`refrain run {found.dataset}` retrains on the new rows, unless a trigger did."]
    if found.drifted:
        return ["The source has no new rows yet: add labeled rows like those of the predictions."]
    return []


def _source_lines(found: Monitoring, fresh: Freshness) -> Iterator[str]:
    yield f"- Newest row: {fresh.newest[:16].replace('T', ' ')} UTC, {fresh.age_days:.1f} days ago"
    yield f"- Slots since then without a new row: {fresh.quiet_slots}"
    if found.duplicates:
        before, now = found.duplicates["before"], found.duplicates["now"]
        yield f"- Duplicates in the source: {now:.1%} of its rows, {before:.1%} for the champion"
    yield from (f"- **Warning**: {cell(warning)}" for warning in fresh.warnings)


def _score_part(found: Monitoring) -> list[str]:
    if not found.score:
        return []
    score = found.score
    metric = score["metric"]
    return [
        f"### Champion on {score['rows']:,} new rows",
        f"{title(metric)} {interval(metric, score['new'])}, "
        f"on its test split {interval(metric, score['test'])}.",
    ]


def _measures_part(head: str, measures: Sequence[Mapping[str, Any]]) -> list[str]:
    return [head, "\n".join(_measure_rows(measures))] if measures else []


def _measure_rows(measures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| | measure | value | by chance | Jensen-Shannon | by chance | p | |"
    yield "|---|---|---:|---:|---:|---:|---:|---|"
    for each in sorted(measures, key=lambda each: (not each["is_drifted"], each["p_value"])):
        distances = [each["distance"], each["distance_by_chance"]]
        yield table_row(
            cell(each["name"]),
            [
                KINDS[each["kind"]],
                f"{each['value']:.3f}",
                f"{each['by_chance']:.3f}",
                *("" if value is None else f"{value:.3f}" for value in distances),
                f"{each['p_value']:.3f}",
                "**drifted**" if each["is_drifted"] else "",
            ],
        )


def _links(found: Monitoring) -> list[str]:
    if not found.version:
        return []
    return [
        f"Snapshot `{found.snapshot}` against `{found.champion_snapshot}` of "
        f"[version {found.version}]({version_link(found.dataset, found.version)})"
    ]
