"""What of a machine the last bits of a training depend on."""

import platform
from pathlib import Path

import torch

from rnn_models.devices import find_device
from rnn_models.settings import TrainSettings
from rnn_models.threads import num_threads

CPUS = Path("/proc/cpuinfo")  # of Linux; elsewhere Python knows as much


def describe_machine(settings: TrainSettings) -> dict[str, str]:
    """Processor, its instructions that torch uses, threads, and the device that settings choose here."""
    device = find_device(settings.device)
    return {
        "processor": _processor(),
        "instructions": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "threads": str(num_threads()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def _processor() -> str:
    lines = CPUS.read_text(errors="replace").splitlines() if CPUS.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
