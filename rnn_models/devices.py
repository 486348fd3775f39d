"""Devices and precision: where a model computes, and with how many bits."""

from functools import cache

import torch


def find_device(name: str) -> torch.device:
    """Find the device of a setting; ``auto`` is a GPU if there is one.

    Raises:
        ValueError: If the setting is a GPU and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise ValueError(
            "device must be auto or cpu on a machine where torch finds no GPU, got 'cuda'"
        )
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def device_of(model: torch.nn.Module) -> torch.device:
    """Return the device of a model's weights."""
    return next(model.parameters()).device


def seed_generators(device: torch.device, number: int) -> None:
    """Seed the random generators of the CPU and of a device, as ``torch.manual_seed`` does.

    That function formats a stack trace in each call on a machine without a GPU,
    which takes a millisecond of every step.
    """
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(number)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Compute products in bfloat16 where settings choose it.

    Weights, their updates and sums stay in float32. bfloat16 has the range of
    float32, so the loss needs no scaling against underflow, as float16 does.

    Args:
        device: Where the model computes.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 on a GPU that has it.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bfloat16(device, precision))


def is_bfloat16(device: torch.device, precision: str) -> bool:
    """Whether a precision setting means bfloat16 on a device."""
    is_fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bfloat16" or (precision == "auto" and is_fast)


def describe_precision(device: torch.device, precision: str) -> str:
    """Name the precision that a training uses: a processor may lack bfloat16 for LSTM layers."""
    if not is_bfloat16(device, precision):
        return "float32"
    return "bfloat16" if has_bfloat16_lstm(device.type) else "bfloat16, LSTM layers in float32"


@cache
def has_bfloat16_lstm(kind: str) -> bool:
    """Whether an LSTM layer can be trained in bfloat16 on a kind of device.

    On a CPU autocast passes it to oneDNN, which supports it with AVX-512 only.
    The function tries it: oneDNN can also be limited to fewer instructions
    (``ONEDNN_MAX_CPU_ISA``) than the processor has, and torch does not know.
    """
    if kind != "cpu":
        return True
    # nn.LSTM would draw random weights and move the generator that a training has just seeded.
    x, h, c = (torch.zeros(1, 1, 1) for _ in range(3))
    weights = [torch.zeros(4, *more) for more in ((1,), (1,), (), ())]
    try:
        with (
            torch.autocast(kind, dtype=torch.bfloat16),
            torch.inference_mode(False),
            torch.enable_grad(),
        ):
            weights[0].requires_grad_()
            states = torch.lstm(x, (h, c), weights, True, 1, 0.0, True, False, True)[0]
            states.sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError:
        return False
    return True


def num_threads() -> int:
    """Return the number of threads of one operation in this process."""
    return int(torch.get_num_threads())
