"""Where a model computes, and with how many bits."""

import torch


def find_device(name: str) -> torch.device:
    """The device of a setting; ``auto`` is a GPU if there is one.

    Raises:
        ValueError: If a GPU is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise ValueError("device must be auto or cpu on a machine where torch finds no GPU, got 'cuda'")
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def device_of(model: torch.nn.Module) -> torch.device:
    """Where a model's weights lie."""
    return next(model.parameters()).device


def seed_generators(device: torch.device, number: int) -> None:
    """Seed what draws random numbers on the CPU and where a model computes, as ``torch.manual_seed`` does.

    That one formats a stack trace in each call on a machine without a GPU, a
    millisecond of every step.
    """
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(number)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Compute in bfloat16 what may be, where settings ask for it.

    Weights, their updates and sums stay in float32. bfloat16 has float32's
    range, so no loss has to be scaled.

    Args:
        device: Where the model computes.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 on a GPU that has it.
    """
    is_fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    is_on = precision == "bfloat16" or (precision == "auto" and is_fast)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_on)
