"""The tables that the command line prints."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False)


def rows_text(row: dict[str, Any]) -> str:
    """Rows per split, and the limit if there is one."""
    counts = " / ".join(f"{row['rows'][split]:,}" for split in ("train", "validation", "test"))
    return counts + (f"\n(limit {row['limit']:,} of {row['all_train_rows']:,})" if row["limit"] else "")


def show_results(rows: list[dict[str, Any]]) -> None:
    """Print the table of retrained datasets, and where to look next."""
    table = Table(title="Test scores in percent, with 95 % intervals", title_justify="left")
    for name in ("dataset", "problem", "rows: train / validation / test", "test score", "baseline", "minutes", "version"):
        table.add_column(name, justify="right" if name == "minutes" else "left", no_wrap=name in ("dataset", "version"))
    for row in rows:
        score = row["metrics"][row["metric"]]
        table.add_row(
            row["dataset"],
            row["problem"],
            rows_text(row),
            f"{row['metric_title']} {score['value']:.1f}\n({score['low']:.1f} to {score['high']:.1f})",
            f"{row['baseline_score']:.1f}\n{row['baseline'].replace('_', ' ')}",
            f"{row['minutes']:.1f}",
            f"{row['version']}\n{', '.join(row['aliases']) or '-'}",
        )
    out.print(table)
    for row in rows:
        out.print(f"[bold]{row['dataset']}[/bold]  {escape(row['reason'])}")
    out.print("\nLook at the runs: [bold]make up[/bold] (or [bold]refrain up[/bold]), then")
    for row in rows:
        out.print(f"  {row['dataset']:<16} {row['link']}", soft_wrap=True)
    out.print("\nNext: [bold]refrain datasets[/bold] lists what else there is; [bold]refrain run --help[/bold] says how to")
    out.print("change settings and add a dataset of your own; [bold]refrain models[/bold] shows the champions.")


def show_datasets(entries: list[dict[str, Any]]) -> None:
    """Print the catalog."""
    table = Table()
    for name in ("dataset", "problem", "language", "about", "licence", "origin"):
        table.add_column(name, no_wrap=name == "dataset")
    for entry in entries:
        table.add_row(*(entry[name] for name in ("dataset", "problem", "language", "about", "licence", "origin")))
    out.print(table)


def show_models(models: list[dict[str, Any]]) -> None:
    """Print the registered models."""
    if not models:
        out.print("No model is registered yet: [bold]refrain run rotten_tomatoes[/bold] makes one.")
        return
    table = Table()
    for name in ("model", "problem", "versions", "champion", "challenger", "champion's test score", "baseline"):
        table.add_column(name)
    for model in models:
        tags, aliases = model["champion"], model["aliases"]
        score = f"{tags['refrain.metric']} {float(tags['refrain.score']):.1f} ({tags['refrain.interval']})" if tags else "-"
        table.add_row(
            model["model"], tags.get("refrain.problem", "-"), str(model["versions"]), aliases.get("champion", "-"),
            aliases.get("challenger", "-"), score, tags.get("refrain.baseline", "-"),
        )  # fmt: skip
    out.print(table)
