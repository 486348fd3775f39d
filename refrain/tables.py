"""The tables that the command line prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False)


def plain(text: str) -> str:
    """Escape the characters that a terminal would read as commands."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def rows_text(row: dict[str, Any]) -> str:
    """List the rows of each split in a line, with the rows before a limit."""
    train, validation, test = (
        f"{row['rows'][split]:,}" for split in ("train", "validation", "test")
    )
    limit = f"\n (limit, of {row['all_train_rows']:,})" if row["limit"] else ""
    return f"{train} train{limit}\n{validation} validation\n{test} test"


def show_results(rows: list[dict[str, Any]]) -> None:
    """Print the table of retrained datasets, and links to their runs."""
    title = (
        "Scores on the test split (percent unless a unit is shown), 95 % intervals, best baselines"
    )
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_lines=True,
        collapse_padding=True,
        pad_edge=False,
    )
    for name in ("dataset", "rows", "test score", "min", "version"):
        table.add_column(name, justify="right" if name == "min" else "left", overflow="fold")
    for row in rows:
        score = row["metrics"][row["metric"]]
        n = row["digits"]
        alias = "champion" if "champion" in row["aliases"] else ", ".join(row["aliases"]) or "-"
        table.add_row(
            f"[bold]{row['dataset']}[/bold]\n{row['problem']}",
            rows_text(row),
            f"[bold]{row['metric_title']} {score['value']:.{n}f}[/bold]\n"
            f"{score['low']:.{n}f} to {score['high']:.{n}f}\n"
            f"{row['baseline'].replace('_', ' ')} {row['baseline_score']:.{n}f}",
            f"{row['minutes']:.1f}",
            f"{row['version']}\n{alias}",
        )
    out.print(table)
    for row in rows:
        out.print(f"[bold]{row['dataset']}[/bold]  {escape(row['reason'])}")
        if signature := row["metrics"][row["metric"]]["signature"]:
            out.print(f"  {row['metric_title']}: {escape(signature)}", soft_wrap=True)
        if row["asked_until"]:
            decide = f"refrain decide {row['dataset']}"
            out.print(f"  Decide with [bold]{decide} promote[/bold] or [bold]{decide} keep[/bold]")
    out.print(
        "\nTo see the runs, start [bold]make up[/bold] (or [bold]refrain up[/bold]), then open"
    )
    for row in rows:
        out.print(f"  {row['dataset']:<16} {row['link']}", soft_wrap=True)
    out.print(
        "\nNext: [bold]refrain datasets[/bold] lists the catalog; "
        "[bold]refrain run --help[/bold] explains how to"
    )
    out.print("change settings and add a dataset; [bold]refrain models[/bold] lists the champions.")


def show_datasets(entries: list[dict[str, Any]]) -> None:
    """Print the catalog."""
    table = Table(show_lines=True)
    for name in ("dataset", "description", "licence and origin"):
        table.add_column(name, no_wrap=name == "dataset")
    for entry in entries:
        texts = {name: escape(plain(value)) for name, value in entry.items()}
        about = f"{texts['about']}\n[dim]{texts['problem']}, {texts['language']}[/dim]"
        table.add_row(
            f"[bold]{texts['dataset']}[/bold]",
            about,
            f"{texts['licence']}\n[dim]{texts['origin']}[/dim]",
        )
    out.print(table)


def show_dataset(entry: Mapping[str, Any], depth: int = 0) -> None:
    """Print all keys of one dataset, nested keys indented."""
    for name, value in entry.items():
        begin = f"{'  ' * depth}[bold]{escape(plain(str(name)))}[/bold]"
        if isinstance(value, Mapping) and value:
            out.print(begin)
            show_dataset(value, depth + 1)
        elif value not in ("", None, {}, [], ()):
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            shown = plain(shown) if shown.strip() else repr(shown)
            out.print(f"{begin}: {escape(shown)}", soft_wrap=True)


def show_setting_rows(dataset: str, rows: Sequence[Any]) -> None:
    """Print the settings of a dataset; those that differ from defaults are bold."""
    table = Table(
        title=f"Settings of {dataset}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for name in ("setting", "value", "origin", "type", "bounds"):
        table.add_column(name, no_wrap=name == "setting", overflow="fold")
    for row in rows:
        style = "" if row.origin.startswith("default") else "bold"
        cells = (
            row.name,
            "-" if row.value is None else str(row.value),
            row.origin,
            row.kind,
            row.bounds,
        )
        table.add_row(*(escape(plain(cell)) for cell in cells), style=style)
    out.print(table)


def show_page(text: str) -> None:
    """Print a page of Markdown."""
    out.print(Markdown(text))


def show_snapshots(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the snapshots of a dataset, the newest last."""
    if not rows:
        out.print(
            f"{name} was never ingested: "
            f"[bold]refrain check {name}[/bold] ingests it without training."
        )
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for column in ("snapshot", "made (UTC)", "rows", "changes", "models trained on it"):
        table.add_column(column, no_wrap=column != "models trained on it", overflow="fold")
    for row in rows:
        parent = f"\n[dim]after {row['parent'][:8]}[/dim]" if row["parent"] else ""
        named = row["snapshot"][:8] + parent
        counts = [f"{num:,} {what}" for what, num in row["rows"].items()]
        changes = [f"{row[what]:,} {what}" for what in ("new", "gone", "removed") if row[what]]
        used = "\n".join(row["versions"]) or "-" if row["is_there"] else "pruned"
        made = row["made"].replace("T", "\n")[:16]
        table.add_row(named, made, "\n".join(counts), "\n".join(changes), escape(used))
    out.print(table)


def show_prunable(found: Sequence[Any]) -> None:
    """Print each folder that is not needed, with the reason and its size."""
    if not found:
        out.print(
            "Nothing to prune: everything is needed or was written recently "
            "(--days 0 includes recent folders)."
        )
        return
    for item in found:
        out.print(
            f"{item.num_bytes / 1e6:>10,.1f} MB  {escape(str(item.path))}  "
            f"[dim]{escape(item.why)}[/dim]",
            soft_wrap=True,
        )
    megabytes = sum(item.num_bytes for item in found) / 1e6
    out.print(f"[bold]{megabytes:>10,.1f} MB[/bold]  in {len(found)} folders")
