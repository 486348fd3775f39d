"""The data report for people: one page of Markdown, for the screen, for the Prefect run page and, with plots, as HTML."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data.catalog.catalog import Dataset
from data.ingestion.recommendations import advice
from data.ingestion.splitting import REFUSED
from data.rows.check_settings import KINDS
from data.rows.splits import SPLITS
from rnn_models.problem import find_problem
from tasks.ingestion.snapshot_log import History
from tasks.ingestion.snapshot_writer import SHOWN, read_report
from tasks.pages.markdown import cell, code, distinct_names, plain, table_row, write_html
from tasks.pages.run_pages import publish
from tasks.scoring.bleu_tokenizer import bleu_advice
from tasks.store.artifacts import Snapshot

PAGE = "report.html"
RAW_CHARACTERS, NAME_CHARACTERS = 120, 40  # of a refused row and of a label, on a page
MOST_NAMES = 20  # labels on a page
COLORS = {"train": "#4c78a8", "validation": "#f58518", "test": "#54a24b"}


def show_data(entry: Dataset, snapshot: Snapshot, changes: Sequence[str] = ()) -> None:
    """Leave the report where people look: as HTML in the snapshot, and on the page of the flow run, if there is one."""
    write_page(entry, snapshot, changes)
    publish(
        "data",
        entry.name,
        page(entry, snapshot, changes),
        f"Rows of {entry.name}, snapshot {snapshot.digest}",
    )


def write_page(entry: Dataset, snapshot: Snapshot, changes: Sequence[str] = ()) -> Path:
    """Draw the report as one HTML file, unless it is there."""
    text = page(entry, snapshot, changes)
    return write_html(
        snapshot.folder / PAGE, entry.name, text, lambda: figure_of(read_report(snapshot))
    )


def page(entry: Dataset, snapshot: Snapshot, changes: Sequence[str] = ()) -> str:
    """All that the report tells, in Markdown; ``changes`` are lines about the snapshot before."""
    report = read_report(snapshot)
    parts = [
        f"## {entry.name}",
        f"{report['read']:,} rows read, {report['kept']:,} kept, {report['refused']:,} refused ({_share(report)}).",
        "### What to do",
        "\n".join(f"- {line}" for line in _advice(entry, report)) or "Nothing stands out.",
        *(
            ["### What changed", "\n".join(f"- {cell(line)}" for line in changes)]
            if changes
            else []
        ),
        "### Splits",
        "\n".join(_splits_table(report)),
        _words_note(report),
        *(["### Refused rows", "\n".join(_refused_list(report))] if report["refused"] else []),
        "### Where this comes from",
        "\n".join(f"- {line}" for line in _origin(entry, snapshot, report)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _advice(entry: Dataset, report: Mapping[str, Any]) -> list[str]:
    """What to do about the rows, and about how a model of them would be scored."""
    scoring = (
        bleu_advice(entry.language, report) if "bleu" in find_problem(entry.problem).metrics else ()
    )
    written = _names(report, NAME_CHARACTERS, cell)
    return [*advice(report, entry.tokenizer, options=entry.format or (), written=written), *scoring]


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
        for share, what in (("50", "median"), ("95", "95 % have at most"), ("100", "longest")):
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
        yield table_row(f"{unit}{of} unknown to train", ["-", *unknown])


def _counted(counts: Mapping[str, int], name: str) -> str:
    num = counts.get(name, 0)
    return f"{num:,} ({num / max(sum(counts.values()), 1):.1%})"


def _words_note(report: Mapping[str, Any]) -> str:
    sampled = {
        split: num
        for split, num in report["words"]["rows"].items()
        if num < report["splits"][split]["rows"]
    }
    told = ", ".join(f"{num:,} rows of {split}" for split, num in sampled.items())
    words = report["words"]
    units = {side.get("unit", words["unit"]) for side in words["sides"].values()} or {words["unit"]}
    return (
        f"{' and '.join(sorted(units)).capitalize()} are counted in a sample: {told}."
        if told
        else ""
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + " ..."


def _names(
    report: Mapping[str, Any], most: int, escape: Callable[[str], str]
) -> Callable[[str], str]:
    """How to write the labels and kinds of entities of a report: short, and no two of them alike."""
    counted = [
        report["splits"][split][names] for split in SPLITS for names in ("labels", "entities")
    ]
    distinct = distinct_names(name for counts in counted for name in counts)
    num_of_short = Counter(_short(name, most) for name in distinct.values())
    shown = {
        name: escape(_short(text, most) if num_of_short[_short(text, most)] == 1 else text)
        for name, text in distinct.items()
    }
    return lambda name: shown.get(name) or escape(_short(plain(name), most))


def _refused_list(report: Mapping[str, Any]) -> Iterator[str]:
    """Name each reason, what it means, and some of its rows."""
    for kind, num in report["reasons"].items():
        yield f"- **{num:,} {kind}**: {KINDS[kind]}"
        for row in report["examples"][kind][:SHOWN]:
            raw = code(_short(row["raw"], RAW_CHARACTERS))
            yield f"  - {cell(row['file'])}, row {row['row']}: {cell(row['reason'])}: {raw}"


def _origin(entry: Dataset, snapshot: Snapshot, report: Mapping[str, Any]) -> Iterator[str]:
    made = next(
        (i for i in History.of(entry.name).ingestions if i.snapshot == snapshot.digest), None
    )
    yield f"Snapshot `{snapshot.digest}`" + (f", made {made.made}" if made else "")
    if made and made.parent:
        yield f"Against snapshot `{made.parent}` before it: {made.new:,} rows are new, {made.gone:,} are gone"
    if report["removed"]:
        yield f"{report['removed']:,} rows stand on a removal list and are in no split"
    yield f"{cell(entry.origin)}; licence: {cell(entry.licence)}"
    if report["refused"]:
        yield f"Refused rows, all of them: {code(str(snapshot.folder / f'{REFUSED}.parquet'))}"


def figure_of(report: Mapping[str, Any]) -> Figure:
    """Draw labels or entities, lengths and refused rows."""
    sides = list(
        dict.fromkeys(side for split in SPLITS for side in report["splits"][split]["lengths"])
    )
    names = [
        name
        for name in ("labels", "entities")
        if any(report["splits"][split][name] for split in SPLITS)
    ]
    panels = [*names, *sides, *(["reasons"] if report["reasons"] else [])]
    figure = Figure(figsize=(9, 2.6 * len(panels)), layout="constrained")
    axes = [figure.add_subplot(len(panels), 1, place + 1) for place in range(len(panels))]
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
            ax.set(title="Refused rows by reason", xlabel="rows")
    return figure


def _draw_shares(ax: Axes, report: Mapping[str, Any], counted: str) -> None:
    """Draw the share of each label or kind of entity in each split, side by side."""
    names = list(report["splits"]["train"][counted])[:MOST_NAMES]
    for place, split in enumerate(SPLITS):
        counts = report["splits"][split][counted]
        shares = [100 * counts.get(name, 0) / max(sum(counts.values()), 1) for name in names]
        ax.bar(
            [x + 0.27 * (place - 1) for x in range(len(names))],
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
    """Draw how many rows have at most so many characters or tokens, by the percentiles of the report."""
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
    ax.set(
        title=f"Share of rows with at most so many {unit}", xlabel=unit, ylabel="%", xscale="log"
    )
    ax.legend()
