"""Time of a training by stages, measured from outside by a clock around product functions.

A stage inside another stops the other's clock, so all stages add up to the
whole. Each clock costs about a microsecond, at most some dozens of them a step.
On a GPU, which computes later than it is asked, each stage waits for it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch

import rnn_models.problems.generation as generation
import rnn_models.problems.ner as ner
import rnn_models.problems.translation as translation
import rnn_models.training.loop as training
import rnn_models.training.saving as saving
import tasks.train as task
from rnn_models.batching.batch import Batch, Examples
from rnn_models.batching.lm_streams import Streams
from rnn_models.batching.windows import Window
from rnn_models.layers.attention import Attention
from rnn_models.layers.char_encoder import CharacterEncoder
from rnn_models.layers.cnn import Convolutional
from rnn_models.layers.crf import CRF
from rnn_models.layers.embedding import Embedding
from rnn_models.layers.pooled_encoder import PooledEncoder
from rnn_models.layers.recurrent import Recurrent
from rnn_models.training.clipping import Clipper
from rnn_models.training.optimizer import Averaging, UpdateMeter
from rnn_models.training.progress import Progress
from rnn_models.training.training_state import Training
from tasks.registry.tracked_run import MetricPoints

REST = "bookkeeping"
# What each stage is made of: owners and the names of their functions.
PLACES: dict[str, tuple[tuple[Any, str], ...]] = {
    # The first optimizer of a process imports 800 modules of torch.
    "start": ((Training, "__init__"),),
    "data": (
        (Training, "plan"),
        (Examples, "batch"),
        (Batch, "to"),
        (Window, "to"),
        (Streams, "__getitem__"),
    ),
    "embedding": ((Embedding, "forward"), (CharacterEncoder, "forward")),
    "encoder": (
        (Recurrent, "forward"),
        (Recurrent, "continue_from"),
        (Convolutional, "forward"),
        (translation.Translator, "encode"),
    ),
    "attention": ((Attention, "forward"), (Attention, "memory")),
    "decoder": ((translation.Translator, "decode"), (generation.LanguageModel, "forward")),
    "projection": (
        (translation, "projected_cross_entropy"),
        (generation, "projected_cross_entropy"),
        (ner.Tagger, "forward"),
        (PooledEncoder, "forward"),
    ),
    "loss": ((Training, "_loss"), (CRF, "forward")),
    # With the end of the graph, which frees its memory.
    "backward": ((torch.Tensor, "backward"), (Training, "_backward")),
    "clipping": ((Clipper, "__call__"),),
    "optimiser": ((Training, "_update"), (torch.optim.Optimizer, "zero_grad")),
    "validation": ((training, "mean_loss"), (training, "headline_score")),
    "health": ((UpdateMeter, "start"), (UpdateMeter, "ratio"), (training, "gradient_decay")),
    "logging": (
        (MetricPoints, "follow_step"),
        (MetricPoints, "add_epoch"),
        (MetricPoints, "flush"),
        (Progress, "show"),
        (task, "followed_run"),
    ),
    "checkpoint": (
        (saving, "save_training"),
        (training, "add_epoch"),
        (Averaging, "add_epoch"),
        (Averaging, "add_step"),
        (task, "write_checkpoint"),
    ),
}
STAGES = (*PLACES, REST)
WHOLE = ("validation", "health")  # they run the model too, and that is their time
# Stages that are no part of the model, its gradient or its update.
OUTSIDE = ("start", "data", "health", "logging", "checkpoint", REST)


class Stopwatch:
    """Seconds of each stage, each without the stages inside it."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self.open: list[str] = []
        self.now = now
        self.since = now()

    def _turn(self) -> None:
        """Give the time since the last turn to the stage that is open."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = self.now()
        if self.open:
            self.seconds[self.open[-1]] += now - self.since
        self.since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens as a stage, unless it is within one that counts whole."""
        if self.open and self.open[-1] in WHOLE:
            yield
            return
        self._turn()
        self.open.append(name)
        self.calls[name] += 1
        try:
            yield
        finally:
            self._turn()
            self.open.pop()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that counts as a stage."""

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return run


@contextmanager
def watched() -> Iterator[Stopwatch]:
    """Time all stages of what happens meanwhile, all else as bookkeeping."""
    watch = Stopwatch()
    with ExitStack() as stack:
        for name, places in PLACES.items():
            for owner, attribute in places:
                stack.enter_context(
                    patch.object(owner, attribute, watch.timed(name, getattr(owner, attribute)))
                )
        with watch.stage(REST):
            yield watch


def outside_share(seconds: dict[str, float]) -> float:
    """Percent of a training that is no part of the model, its gradient or its update."""
    return 100 * sum(seconds.get(stage, 0.0) for stage in OUTSIDE) / sum(seconds.values())
