"""Cost of the projection and its cross entropy: all logits at once, and in chunks of rows.

``python -m benchmarks.speed.projection`` prints milliseconds of one thread's CPU,
forward and backward, medians of repetitions in turn, and the pages of memory
that a repetition had to ask the kernel for.
"""

import resource
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from rnn_models.layers.projected_cross_entropy import projected_cross_entropy

SIZES = ((900, 256, 7_070), (3_000, 256, 4_000), (4_096, 256, 100))  # rows, width of a state, ids
SMOOTHING = 0.1
WARMUP = 2
REPETITIONS = 9


def all_at_once(states: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """As autograd does it."""
    return cross_entropy(
        linear(states, weight, bias), targets, reduction="sum", label_smoothing=SMOOTHING
    )


def some_at_once(
    states: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, *, at_once: int
) -> Tensor:
    """As training does it."""
    return projected_cross_entropy(
        states, weight, bias, targets, smoothing=SMOOTHING, at_once=at_once
    )[0]


WAYS: dict[str, Callable[..., Tensor]] = {
    "all at once": all_at_once,
    **{
        f"{1 << bits:,} logits": partial(some_at_once, at_once=1 << bits)
        for bits in (19, 20, 21, 22)
    },
}


def cost(way: Callable[..., Tensor], given: list[Tensor]) -> tuple[float, int]:
    """Milliseconds of CPU and new pages of one forward and backward."""
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    started = time.thread_time()
    torch.autograd.grad(way(*given) / len(given[0]), given[:3])
    return 1000 * (time.thread_time() - started), resource.getrusage(
        resource.RUSAGE_SELF
    ).ru_minflt - pages


def costs(size: tuple[int, int, int]) -> dict[str, tuple[float, float]]:
    """Medians of each way."""
    num, width, ids = size
    given = [torch.randn(num, width), 0.06 * torch.randn(ids, width), torch.zeros(ids)]
    given = [*(tensor.requires_grad_() for tensor in given), torch.randint(ids, (num,))]
    turns = [
        {name: cost(way, given) for name, way in WAYS.items()} for _ in range(WARMUP + REPETITIONS)
    ][WARMUP:]
    return {
        name: (median(t[name][0] for t in turns), median(t[name][1] for t in turns))
        for name in WAYS
    }


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"| rows, width, ids | {' | '.join(WAYS)} |\n|---|{'---:|' * len(WAYS)}")
    for size in SIZES:
        cells = " | ".join(
            f"{milliseconds:.0f} ms, {pages:,.0f} pages"
            for milliseconds, pages in costs(size).values()
        )
        print(f"| {size[0]:,} x {size[1]:,} x {size[2]:,} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
