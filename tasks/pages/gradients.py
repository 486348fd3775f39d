"""How a training went, and the health of its gradients, for a page."""

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from rnn_models.settings import TrainSettings
from tasks.pages.training import clipping_words
from tasks.registry.training_log import HISTORY
from tasks.store.artifacts import Checkpoint

MANY_CLIPPED = 0.5


def gradient_lines(checkpoint: Checkpoint) -> Iterator[str]:
    """Describe the training of a checkpoint and its gradient norms, a line each."""
    history = json.loads((checkpoint.folder / HISTORY).read_text(encoding="utf-8"))
    score = f", {checkpoint.validation_score} on validation" if checkpoint.validation_score else ""
    yield (
        f"Best epoch {checkpoint.best_epoch} of {checkpoint.epochs}{score}; ended by "
        f"{checkpoint.ended or 'its last epoch'}, after {checkpoint.train_seconds:,.0f} s"
    )
    yield from _norm_lines(history, checkpoint)


def _norm_lines(history: dict[str, Any], checkpoint: Checkpoint) -> Iterator[str]:
    norms = [step["gradient_norm"] for step in history["steps"]]
    finite = [norm for norm in norms if norm is not None and math.isfinite(norm)]
    median, high, largest = np.percentile(finite or [math.nan], [50, 90, 100])
    skipped = sum(epoch["num_skipped"] for epoch in history["epochs"])
    how = clipping_words(TrainSettings(**checkpoint.settings))
    yield (
        f"Gradient norm before clipping: median {median:.3g}, 90th percentile {high:.3g}, "
        f"largest {largest:.3g}; {checkpoint.clipped_share:.0%} of {len(norms):,} steps clipped "
        f"({how})"
    )
    if skipped:
        yield f"**{skipped:,} steps were skipped, as their gradient was not finite**"
    if checkpoint.clipped_share > MANY_CLIPPED:
        yield (
            "**More than half of the steps were clipped**: "
            f"`refrain health {checkpoint.dataset}` suggests a threshold"
        )
    if not skipped and checkpoint.clipped_share <= MANY_CLIPPED:
        yield "The gradients are healthy: all finite, and few are clipped"
