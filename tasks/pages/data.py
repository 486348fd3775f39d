"""The data report: one page of Markdown for the terminal and the run page, HTML with plots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.catalog.catalog import Dataset
from data.ingestion.recommendations import recommend
from data.ingestion.splitting import REFUSED
from data.rows.check_settings import KINDS
from data.rows.splits import SPLITS
from rnn_models.problem import find_problem
from tasks.figures.drawing import new_figure
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.ingestion.snapshot_writer import SHOWN, read_report
from tasks.pages.markdown import cell, code, distinct_names, plain, shortened, table_row, write_html
from tasks.pages.run_pages import publish
from tasks.scoring.bleu_tokenizer import bleu_advice
from tasks.store.artifacts import Snapshot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE = "report.html"
RAW_CHARACTERS = 120  # shown of a rejected row
NAME_CHARACTERS = 40  # shown of a label
MOST_NAMES = 20  # labels on a page
COLORS = {"train": "#4c78a8", "validation": "#f58518", "test": "#54a24b"}


def show_data(entry: Dataset, snapshot: Snapshot, changes: Sequence[str] = ()) -> None:
    """Write the report as HTML into the snapshot, and publish it on the page of the flow run."""
    write_page(entry, snapshot, changes)
    publish(
        "data",
        entry.name,
        page(entry, snapshot, changes),
        f"Rows of {entry.name}, snapshot {snapshot.digest}",
    )


def write_page(entry: Dataset, snapshot: Snapshot, changes: Sequence[str] = ()) -> Path:
    """Write the report as one HTML file, unless it exists."""
    text = page(entry, snapshot, changes)
    return write_html(
        snapshot.folder / PAGE, entry.name, text, lambda: figure_of(read_report(snapshot))
    )


def page(entry: Dataset, snapshot: Snapshot, changes: Sequence[str] = ()) -> str:
    """Write the report in Markdown; ``changes`` are lines about the snapshot before."""
    report = read_report(snapshot)
    parts = [
        f"## {entry.name}",
        f"{report['read']:,} rows read, {report['kept']:,} kept, "
        f"{report['refused']:,} rejected ({_share(report)}).",
        "### Recommendations",
        "\n".join(f"- {line}" for line in _advice(entry, report)) or "None.",
        *(["### Changes", "\n".join(f"- {cell(line)}" for line in changes)] if changes else []),
        "### Splits",
        "\n".join(_splits_table(report)),
        _words_note(report),
        *(["### Rejected rows", "\n".join(_rejected_list(report))] if report["refused"] else []),
        "### Origin",
        "\n".join(f"- {line}" for line in _origin(entry, snapshot, report)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _advice(entry: Dataset, report: Mapping[str, Any]) -> list[str]:
    """List recommendations about the rows and about the scoring of their models."""
    scoring = (
        bleu_advice(entry.language, report) if "bleu" in find_problem(entry.problem).metrics else ()
    )
    written = _names(report, NAME_CHARACTERS, cell)
    return [
        *recommend(report, entry.tokenizer, options=entry.format or (), written=written),
        *scoring,
    ]


def _share(report: Mapping[str, Any]) -> str:
    share = report["refused"] / max(report["read"], 1)
    return "less than 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _splits_table(report: Mapping[str, Any]) -> Iterator[str]:
    splits = [report["splits"][split] for split in SPLITS]
    written = _names(report, NAME_CHARACTERS, cell)
    yield "| |" + "".join(f" {split} |" for split in SPLITS)
    yield "|---|" + "---:|" * len(SPLITS)
    yield table_row("rows", [f"{split['rows']:,}" for split in splits])
    for counted, what in (("labels", "label"), ("entities", "entity")):
        names = list(dict.fromkeys(name for split in splits for name in split[counted]))
        for name in names[:MOST_NAMES]:
            yield table_row(
                f"{what} {written(name)}", [_counted(split[counted], name) for split in splits]
            )
        if len(names) > MOST_NAMES:
            yield table_row(
                f"and {len(names) - MOST_NAMES:,} more",
                [f"{len(split[counted]):,} in all" for split in splits],
            )
    for side in dict.fromkeys(side for split in splits for side in split["lengths"]):
        unit = "tokens" if side == "tokens" else f"characters of {side}"
        for share, what in (("50", "median"), ("95", "95th percentile"), ("100", "maximum")):
            yield table_row(
                f"{unit}: {what}",
                [f"{split['lengths'].get(side, {}).get(share, 0):,}" for split in splits],
            )
    for side, counts in report["words"]["sides"].items():
        unit = counts.get("unit", report["words"]["unit"])
        of = "" if side in ("text", "tokens") else f" of {side}"
        yield table_row(
            f"distinct {unit}{of}",
            [f"{counts[s]['distinct']:,}" if s in counts else "-" for s in SPLITS],
        )
        unknown = [f"{counts[s]['unknown_share']:.1%}" if s in counts else "-" for s in SPLITS[1:]]
        yield table_row(f"{unit}{of} not in train", ["-", *unknown])


def _counted(counts: Mapping[str, int], name: str) -> str:
    num = counts.get(name, 0)
    return f"{num:,} ({num / max(sum(counts.values()), 1):.1%})"


def _words_note(report: Mapping[str, Any]) -> str:
    sampled = {
        split: num
        for split, num in report["words"]["rows"].items()
        if num < report["splits"][split]["rows"]
    }
    if not sampled:
        return ""
    samples = ", ".join(f"{num:,} rows of {split}" for split, num in sampled.items())
    words = report["words"]
    units = {side.get("unit", words["unit"]) for side in words["sides"].values()} or {words["unit"]}
    return f"{' and '.join(sorted(units)).capitalize()} are counted in a sample: {samples}."


def _names(
    report: Mapping[str, Any], most: int, escape: Callable[[str], str]
) -> Callable[[str], str]:
    """Return a function that shortens labels and entity kinds and keeps them distinct."""
    counted = [
        report["splits"][split][names] for split in SPLITS for names in ("labels", "entities")
    ]
    distinct = distinct_names(name for counts in counted for name in counts)
    num_of_short = Counter(shortened(name, most) for name in distinct.values())
    shown = {
        name: escape(shortened(text, most) if num_of_short[shortened(text, most)] == 1 else text)
        for name, text in distinct.items()
    }
    return lambda name: shown.get(name) or escape(shortened(plain(name), most))


def _rejected_list(report: Mapping[str, Any]) -> Iterator[str]:
    """List each reason with its meaning and some of its rows."""
    for kind, num in report["reasons"].items():
        yield f"- **{num:,} {kind}**: {KINDS[kind]}"
        for row in report["examples"][kind][:SHOWN]:
            raw = code(shortened(row["raw"], RAW_CHARACTERS))
            yield f"  - {cell(row['file'])}, row {row['row']}: {cell(row['reason'])}: {raw}"


def _origin(entry: Dataset, snapshot: Snapshot, report: Mapping[str, Any]) -> Iterator[str]:
    made = next(
        (i for i in SnapshotLog.of(entry.name).ingestions if i.snapshot == snapshot.digest), None
    )
    yield f"Snapshot `{snapshot.digest}`" + (f", made {made.made}" if made else "")
    if made and made.parent:
        yield (
            f"Compared with the previous snapshot `{made.parent}`: "
            f"{made.new:,} rows are new, {made.gone:,} are gone"
        )
    if report["removed"]:
        yield f"{report['removed']:,} rows are on a removal list and in no split"
    yield f"{cell(entry.origin)}; licence: {cell(entry.licence)}"
    if report["refused"]:
        yield f"All rejected rows: {code(str(snapshot.folder / f'{REFUSED}.parquet'))}"


def figure_of(report: Mapping[str, Any]) -> Figure:
    """Draw labels or entities, lengths and rejected rows."""
    sides = list(
        dict.fromkeys(side for split in SPLITS for side in report["splits"][split]["lengths"])
    )
    names = [
        name
        for name in ("labels", "entities")
        if any(report["splits"][split][name] for split in SPLITS)
    ]
    panels = [*names, *sides, *(["reasons"] if report["reasons"] else [])]
    figure = new_figure(9, 2.6 * len(panels))
    axes = [figure.add_subplot(len(panels), 1, index + 1) for index in range(len(panels))]
    for panel, ax in zip(panels, axes, strict=True):
        if panel in names:
            _draw_shares(ax, report, panel)
        elif panel in sides:
            _draw_lengths(ax, report, panel)
        else:
            ax.barh(
                list(report["reasons"])[::-1],
                list(report["reasons"].values())[::-1],
                color="#b279a2",
            )
            ax.set(title="Rejected rows by reason", xlabel="rows")
    return figure


def _draw_shares(ax: Axes, report: Mapping[str, Any], counted: str) -> None:
    """Draw the share of each label or entity kind in each split, side by side."""
    names = list(report["splits"]["train"][counted])[:MOST_NAMES]
    for index, split in enumerate(SPLITS):
        counts = report["splits"][split][counted]
        shares = [100 * counts.get(name, 0) / max(sum(counts.values()), 1) for name in names]
        ax.bar(
            [x + 0.27 * (index - 1) for x in range(len(names))],
            shares,
            0.27,
            color=COLORS[split],
            label=split,
        )
    written = _names(report, NAME_CHARACTERS // 2, plain)
    shown = [written(name) for name in names]
    ax.set_xticks(range(len(names)), shown, rotation=30 if len(names) > 6 else 0, parse_math=False)
    ax.set(title=f"Share of {counted} in each split", ylabel="%")
    ax.legend()


def _draw_lengths(ax: Axes, report: Mapping[str, Any], side: str) -> None:
    """Draw the cumulative distribution of lengths, from the percentiles of the report."""
    for split in SPLITS:
        found = report["splits"][split]["lengths"].get(side, {})
        ax.plot(
            list(found.values()),
            [int(share) for share in found],
            "o-",
            color=COLORS[split],
            label=split,
        )
    unit = "tokens" if side == "tokens" else f"characters of {side}"
    ax.set(title=f"Cumulative share of rows by {unit}", xlabel=unit, ylabel="%", xscale="log")
    ax.legend()
