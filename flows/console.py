"""The tables that the command line prints."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False)


def rows_text(row: dict[str, Any]) -> str:
    """Rows per split, a line each, and how many a limit left out."""
    train, validation, test = (f"{row['rows'][split]:,}" for split in ("train", "validation", "test"))
    limit = f"\n (limit, of {row['all_train_rows']:,})" if row["limit"] else ""
    return f"{train} train{limit}\n{validation} validation\n{test} test"


def show_results(rows: list[dict[str, Any]]) -> None:
    """Print the table of retrained datasets, and where to look next."""
    title = "Scores on the test split in percent, 95 % intervals, cheap baselines"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_lines=True, collapse_padding=True, pad_edge=False)
    for name in ("dataset", "rows", "test score", "min", "version"):
        table.add_column(name, justify="right" if name == "min" else "left", no_wrap=True)
    for row in rows:
        score = row["metrics"][row["metric"]]
        alias = "champion" if "champion" in row["aliases"] else ", ".join(row["aliases"]) or "-"
        table.add_row(
            f"[bold]{row['dataset']}[/bold]\n{row['problem']}",
            rows_text(row),
            f"[bold]{row['metric_title']} {score['value']:.1f}[/bold]\n{score['low']:.1f} to {score['high']:.1f}\n"
            f"{row['baseline'].replace('_', ' ')} {row['baseline_score']:.1f}",
            f"{row['minutes']:.1f}",
            f"{row['version']}\n{alias}",
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
    table = Table(show_lines=True)
    for name in ("dataset", "what it is", "licence and origin"):
        table.add_column(name, no_wrap=name == "dataset")
    for entry in entries:
        what = f"{entry['about']}\n[dim]{entry['problem']}, {entry['language']}[/dim]"
        table.add_row(f"[bold]{entry['dataset']}[/bold]", what, f"{entry['licence']}\n[dim]{entry['origin']}[/dim]")
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
