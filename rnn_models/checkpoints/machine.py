"""The parts of a machine on which the last bits of a training depend.

Vector width, number of threads and precision change the order of floating-point sums, and so their
rounding.
"""

import os
import platform
from pathlib import Path

import torch

from rnn_models.devices import describe_precision, find_device, num_threads
from rnn_models.settings import TrainSettings

CPUS = Path("/proc/cpuinfo")  # on Linux, where Python's platform module does not name the model


def describe_machine(settings: TrainSettings) -> dict[str, str]:
    """Describe processor, vector instructions, threads, precision and device."""
    device = find_device(settings.device)
    return {
        "processor": _processor(),
        "instructions": _instructions(),
        "threads": str(num_threads()),
        "precision": describe_precision(device, settings.precision),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def _instructions() -> str:
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}" + (
        f", oneDNN at most {limit}" if limit else ""
    )


def _processor() -> str:
    lines = CPUS.read_text(errors="replace").splitlines() if CPUS.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
