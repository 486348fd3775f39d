"""The tables of registered models and of their ledgers, at most as wide as the terminal."""

import re
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from refrain import tables
from refrain.tables import plain


def show_models(models: list[dict[str, Any]]) -> None:
    """Print the registered models."""
    if not models:
        tables.out.print(
            "No model is registered yet: [bold]refrain run rotten_tomatoes[/bold] trains one."
        )
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for name in ("model", "versions", "champion", "challenger", "test score"):
        table.add_column(name, overflow="fold")
    for model in models:
        tags = model["champion"]
        aliases = model["aliases"]
        problem = tags.get("refrain.problem", "")
        baseline = tags.get("refrain.baseline", "")
        score = _score_of(tags) + (f"\n[dim]baseline {escape(baseline)}[/dim]" if baseline else "")
        table.add_row(
            escape(plain(model["model"])) + (f"\n[dim]{escape(problem)}[/dim]" if problem else ""),
            str(model["versions"]),
            aliases.get("champion", "-"),
            aliases.get("challenger", "-"),
            score,
        )
    tables.out.print(table)


def _score_of(tags: Mapping[str, str]) -> str:
    """Format a champion's score with its interval; other programs may register neither."""
    names = ("refrain.metric", "refrain.score", "refrain.interval")
    if not all(tags.get(name) for name in names):
        return "-"
    metric, score, interval = (tags[name] for name in names)
    # BLEU scores are comparable only with the same tokenizer.
    tokenizer = re.search(r"tok:([^|]+)", tags.get("refrain.signature", ""))
    shown = f"{metric} {float(score):.1f}\n{interval}"
    return f"{shown}\ntok:{tokenizer[1]}" if tokenizer else shown


def show_history(found: Mapping[str, Any]) -> None:
    """Print the ledger of a model, the newest last, and how MLflow differs from it."""
    name = found["model"]
    aliases = found["aliases"]
    if found["lines"]:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
        table.add_column("line", justify="right")
        table.add_column("time (UTC)", no_wrap=True)
        table.add_column("decision, scores, reason", overflow="fold")
        for line in found["lines"]:
            when = line["when"][:16].replace("T", "\n")
            table.add_row(str(line["number"]), when, _decision(line))
        tables.out.print(table)
    else:
        tables.out.print(f"The ledger has no decision about {name} yet.")
    named = (
        ", ".join(f"{alias} is version {number}" for alias, number in aliases.items())
        or "no alias is set"
    )
    tables.out.print(f"[bold]{name}[/bold]  in MLflow: {named}")
    for sentence in found["drift"]:
        tables.out.print(f"[yellow]{escape(sentence)}[/yellow]", soft_wrap=True)


def _decision(line: Mapping[str, Any]) -> str:
    """Describe a decision in three lines: versions and scores, the reason, and who made it."""
    replaced = f" in place of {line['replaced']}" if line["replaced"] else ""
    scores = ", ".join(f"{name} {value:.2f}" for name, value in line["scores"].items())
    run = f"flow run {line['flow_run'][:8]}" if line["flow_run"] else line["person"]
    by = escape(plain(line["by"] or run))
    if line["flow_run_url"]:
        by = f"[link={line['flow_run_url']}]{by}[/link]"
    lines = [
        f"[bold]{line['event']} {line['version']}[/bold]{replaced}",
        scores,
        escape(plain(line["why"])),
        f"[dim]by {by}[/dim]",
    ]
    return "\n".join(filter(None, lines))


def show_cost(found: Mapping[str, Any]) -> None:
    """Print the minutes and points of each decision of a model, and their sums."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("line", "time (UTC)", "decision", "minutes", "points"):
        numbers = name in ("line", "minutes", "points")
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for line in found["decisions"]:
        minutes = "pruned" if line["minutes"] is None else f"{line['minutes']:.1f}"
        points = "first" if line["points"] is None else f"{line['points']:+.2f}"
        when = line["when"][:16].replace("T", " ")
        decision = f"{line['event']} {line['version']}"
        table.add_row(str(line["number"]), when, decision, minutes, points)
    tables.out.print(table)
    sums = f"{found['minutes']:.1f} minutes of training, {found['points']:+.2f} points"
    per_point = found["minutes_per_point"]
    ending = f", {per_point:.1f} minutes per point" if per_point else ""
    tables.out.print(f"[bold]{found['model']}[/bold]  {sums}{ending}")
