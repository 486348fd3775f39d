"""Figures of what is inside a model: attention of sample translations, transitions of a CRF."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from data.text.encoder import Encoder, Tokenizer
from rnn_models.diagnostics.attention_maps import AttentionMap, attention_maps
from rnn_models.problem import Problem
from tasks.figures.answers import shown_name
from tasks.figures.style import SHADES, empty_figure, shade_of_text
from tasks.store.artifacts import TokenSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_SAMPLES = 3
SHORTEST = 4  # source tokens of a sample
LONGEST = 20
MOST_TAGS = 30
MOST_TAGS_WITH_NUMBERS = 14


def sampled_maps(problem: Problem, model: Any, tokens: TokenSet) -> list[AttentionMap]:
    """Read the attention over the first test rows that are neither very short nor long."""
    examples = tokens.examples("test")
    lengths = examples.source.lengths
    fitting = np.flatnonzero((lengths >= SHORTEST) & (lengths <= LONGEST))
    rows = (fitting if len(fitting) else np.argsort(lengths, kind="stable"))[:NUM_SAMPLES]
    return [found for found in attention_maps(problem, model, examples, rows) if len(found.target)]


def attention_figure(maps: Sequence[AttentionMap], encoder: Encoder) -> "Figure":
    """Draw for each sample how much each token of the translation attends to the source."""
    figure = empty_figure(sum(1.4 + 0.26 * len(found.target[: LONGEST + 1]) for found in maps))
    axes = figure.subplots(
        len(maps),
        squeeze=False,
        height_ratios=[len(found.target[: LONGEST + 1]) + 4 for found in maps],
    )[:, 0]
    for ax, found in zip(axes, maps, strict=True):
        shown = found.probabilities[: LONGEST + 1]
        ax.imshow(shown, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
        ax.set_xticks(
            range(shown.shape[1]),
            token_names(encoder.source, found.source),
            rotation=45,
            ha="right",
        )
        ax.set_yticks(range(len(shown)), token_names(encoder.target, found.target[: LONGEST + 1]))
        ax.grid(visible=False)
    axes[0].set_title("Attention of each token of the translation (row); light: much")
    return figure


def token_names(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Name the tokens of some ids."""
    names = tokenizer.names if isinstance(tokenizer, Tokenizer) else []
    return [shown_name(names[i]) if i < len(names) else str(i) for i in ids]


def transitions_figure(model: Any) -> "Figure":
    """Draw the scores of a CRF: from each tag, or the start, to each tag, or the end."""
    tags = model.scheme.tags[:MOST_TAGS]
    num = len(tags)
    transitions, start, end = (
        part.detach().cpu().numpy().astype(float) for part in model.crf.steps(float("nan"))
    )
    table = np.full((num + 1, num + 1), np.nan)
    table[:num, :num] = transitions[:num, :num]
    table[num, :num] = start[:num]
    table[:num, num] = end[:num]
    low = float(np.nanmin(table))
    span = float(np.nanmax(table)) - low or 1.0
    figure = empty_figure(1.8 + 0.34 * (num + 1))
    ax = figure.subplots()
    ax.set_facecolor("#e5e5e5")
    image = ax.imshow(table, cmap=SHADES, aspect="auto")
    figure.colorbar(image, ax=ax, label="score")
    if num <= MOST_TAGS_WITH_NUMBERS:
        for i, j in np.argwhere(np.isfinite(table)):
            color = shade_of_text((table[i, j] - low) / span)
            ax.text(j, i, f"{table[i, j]:.1f}", ha="center", va="center", color=color, fontsize=9)
    ax.set_xticks(range(num + 1), [*map(shown_name, tags), "end"], rotation=45, ha="right")
    ax.set_yticks(range(num + 1), [*map(shown_name, tags), "start"])
    ax.grid(visible=False)
    ax.set(title="CRF transitions, from row to column; grey: forbidden")
    return figure
