"""The report of ``refrain doctor`` on the screen."""

from datetime import datetime

from rich.markup import escape

from refrain import tables
from refrain.doctor.finding import ERROR
from refrain.doctor.report import Report

STYLES = {"error": "red", "warning": "yellow"}


def show_report(report: Report) -> None:
    """Print each check with its findings and their remedies, and the next flow runs."""
    for name, found in report.findings.items():
        if not found:
            tables.out.print(f"[green]ok[/green]       {name}")
        for each in found:
            style = STYLES[each.level]
            text = escape(tables.plain(each.text))
            tables.out.print(f"[{style}]{each.level:<8}[/{style}] [bold]{name}[/bold]: {text}")
            tables.out.print(f"         [dim]do:[/dim] {escape(each.remedy)}", soft_wrap=True)
    if report.next_runs:
        tables.out.print("\nnext flow runs (UTC)")
    for run in report.next_runs:
        when = datetime.fromisoformat(run["time"])
        tables.out.print(f"  {when:%Y-%m-%d %H:%M}  {escape(run['deployment'])}")
    everything = [each for found in report.findings.values() for each in found]
    num_errors = sum(each.level == ERROR for each in everything)
    if everything:
        num_warnings = len(everything) - num_errors
        tables.out.print(f"\n[bold]{num_errors} errors, {num_warnings} warnings[/bold]")
    else:
        tables.out.print("\n[bold]healthy[/bold]")
