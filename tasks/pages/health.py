"""The gradient health report: one page of Markdown, figures of loss, norms and their decay."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_models.diagnostics.diagnosis import SMOOTHED
from tasks.figures.drawing import new_figure
from tasks.pages.markdown import table_row, write_html
from tasks.store.artifacts import Health

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE = "report.html"
REPORT = "report.json"
COLORS = {"free": "#e45756", "clipped": "#4c78a8"}  # in drawing order
NAMES = {"clipped": "with clipping", "free": "without"}
VERDICTS = {
    "explodes": "**The gradient explodes** without clipping.",
    "vanishes": "**The gradient vanishes** on its way back through time.",
    "healthy": "**The gradient is healthy**: it neither explodes nor vanishes.",
}
LESSON = (
    "Each hidden state depends on the one before, H_t = phi(X_t W_xh + H_{t-1} W_hh + b_h), so the "
    "gradient of the loss at step t by H_{t-k} is a product of k factors, each with phi' and the "
    "transpose of W_hh (for an LSTM or GRU, the Jacobian of its whole step). If all factors shrink "
    "every vector by a fixed share, this part of the gradient vanishes geometrically with k. Only "
    "if some factors stretch vectors can it explode: then the gradient of the weights, a sum over "
    "all steps, has a norm far above the usual one. Clipping scales it without turning it."
)
ROWS = {
    "num_steps": "steps",
    "num_clipped": "clipped",
    "num_not_finite": "not finite",
    "num_spikes": "above 10 times the usual norm",
    "first_loss": "loss of the first step",
    "last_loss": "loss, mean of the last tenth",
    "oscillation": "oscillation of the loss",
    "median_norm": "gradient norm: median",
    "high_norm": "90th percentile",
    "largest_norm": "largest",
    "update_ratio": "median update-to-weight ratio",
}


def write_health(health: Health) -> Path:
    """Write the report as one HTML file, unless it exists."""
    report = read_health(health)
    title = f"{health.dataset}: gradient health"
    return write_html(
        health.folder / PAGE, title, health_page(report), lambda: health_figure(report)
    )


def health_page(report: Mapping[str, Any]) -> str:
    """Write the report in Markdown."""
    parts = [
        f"## {report['dataset']}: gradient health",
        VERDICTS[report["verdict"]],
        "### Recommendations",
        "\n".join(f"- {line}" for line in report["advice"]) or "None.",
        "### Findings",
        "\n".join(f"- {line}" for line in report["sentences"]),
        "\n".join(_table(report)),
        "### Background: gradients through time",
        LESSON.replace("_", r"\_").replace("*", r"\*"),
        "### Method",
        "\n".join(f"- {line}" for line in _method(report)),
    ]
    return "\n\n".join(parts) + "\n"


def _table(report: Mapping[str, Any]) -> Iterator[str]:
    yield table_row("", [f"clipped by {report['clipped_by']}", "not clipped"])
    yield "|---|---:|---:|"
    for key, name in ROWS.items():
        yield table_row(name, [_number(report[side][key]) for side in ("clipped", "free")])


def _number(value: float | None) -> str:
    if value is None:
        return "not finite"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _method(report: Mapping[str, Any]) -> Iterator[str]:
    settings = report["settings"]
    yield (
        f"Two trainings of {settings['encoder']} {settings['hidden_size']} on the same "
        f"{report['rows']:,} rows, in the same order, with the same seed {settings['seed']}; "
        "the learning rates are those of the first steps of a whole training"
    )
    yield (
        "Norms: L2 norm of all gradients together, before clipping; the usual norm is the median "
        "of the 20 steps before, or of all steps if larger"
    )
    yield (
        f"Oscillation: the loss averaged over {SMOOTHED} steps, its mean distance above the lowest "
        "value before, divided by the first value; 0 for a loss that only falls. Defined here"
    )
    yield (
        "The suggested threshold is the norm that one step in ten exceeds, with clipping: usual "
        "steps are not clipped, larger ones are scaled to a usual norm"
    )
    yield (
        "Decay over time: the exact gradient of the loss of a batch of long sequences by each "
        "hidden state of the encoder, without dropout"
    )
    yield f"Token set `{report['tokens']}` of snapshot `{report['snapshot']}`"


def health_figure(report: Mapping[str, Any]) -> Figure:
    """Draw loss and norm by step, with and without clipping, and the decay over time."""
    has_time = bool(report["series"]["clipped"]["decay_after"])
    figure = new_figure(9, 9.5 if has_time else 6.5)
    axes = figure.subplots(2 + has_time)
    _draw_losses(axes[0], report)
    _draw_norms(axes[1], report)
    if has_time:
        _draw_decay(axes[2], report)
    return figure


def known(values: Sequence[float | None]) -> list[float]:
    """Replace missing numbers with NaN, which is drawn as a gap."""
    return [math.nan if value is None else value for value in values]


def _draw_losses(ax: Axes, report: Mapping[str, Any]) -> None:
    for name, color in COLORS.items():
        losses = known(report["series"][name]["loss"])
        means = [
            sum(losses[i : i + SMOOTHED]) / SMOOTHED for i in range(len(losses) - SMOOTHED + 1)
        ]
        ax.plot(losses, color=color, linewidth=0.5, alpha=0.5)
        ax.plot(
            range(SMOOTHED - 1, SMOOTHED - 1 + len(means)), means, color=color, label=NAMES[name]
        )
    ax.set(title=f"Loss by step, and its mean over {SMOOTHED}", ylabel="loss, nats per token")
    ax.legend()


def _draw_norms(ax: Axes, report: Mapping[str, Any]) -> None:
    for name, color in COLORS.items():
        ax.plot(
            known(report["series"][name]["gradient_norm"]),
            color=color,
            linewidth=0.8,
            label=NAMES[name],
        )
    allowed = known(report["series"]["clipped"]["allowed_norm"])
    if not all(map(math.isnan, allowed)):
        ax.plot(allowed, color="#222222", linewidth=1, label=f"clipped by {report['clipped_by']}")
    if report["clip_norm"]:
        ax.axhline(
            report["clip_norm"],
            color="#54a24b",
            linestyle="--",
            label=f"suggested, {report['clip_norm']:g}",
        )
    ax.set(title="Gradient norm before clipping", xlabel="step", yscale="log")
    ax.legend()


def _draw_decay(ax: Axes, report: Mapping[str, Any]) -> None:
    lines = ("-", "--", "-.", ":")
    for name, color in COLORS.items():
        for index, (direction, norms) in enumerate(report["series"][name]["decay_after"].items()):
            shown = [norm if norm > 0 else math.nan for norm in known(norms)]
            ax.plot(
                shown, lines[index % len(lines)], color=color, label=f"{direction}, {NAMES[name]}"
            )
    for index, norms in enumerate(report["series"]["clipped"]["decay_before"].values()):
        shown = [norm if norm > 0 else math.nan for norm in known(norms)]
        ax.plot(
            shown,
            lines[index % len(lines)],
            color="#bbbbbb",
            label="before the first step" if index == 0 else None,
        )
    ax.set(
        title="Gradient of the loss by a hidden state of the encoder",
        xlabel="time steps before the last one",
        ylabel="norm",
        yscale="log",
    )
    ax.legend(fontsize="small")


def read_health(health: Health) -> dict[str, Any]:
    """Read the report of a probe."""
    found: dict[str, Any] = json.loads((health.folder / REPORT).read_text(encoding="utf-8"))
    return found
