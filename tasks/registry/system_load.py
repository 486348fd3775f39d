"""The load of the machine during a training, as metrics of its MLflow run.

No thread measures: the training does after a step, so that measuring ends with it. The processor
time since the measurement before counts everything in between, such as a validation.
"""

import os
import shutil
import time

from rnn_models.diagnostics.device_memory import peak_gpu_bytes
from rnn_models.diagnostics.process_memory import peak_bytes
from tasks.store.home import home

# The first ones come soon, so that a short training has some; a day has about 600.
EVERY_SECONDS = 2.0
GROWTH = 1.01
MEGABYTE = 1_000_000


class SystemLoad:
    """Measures processor, memory and disk, at growing intervals."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self.processor_seconds = time.process_time()
        self.wait_seconds = EVERY_SECONDS

    def measured(self) -> dict[str, float]:
        """Measure, if it is time to; else return nothing."""
        now = time.monotonic()
        passed = now - self.at
        if passed < self.wait_seconds:
            return {}
        used = time.process_time()
        cores = (used - self.processor_seconds) / passed
        self.at = now
        self.processor_seconds = used
        self.wait_seconds *= GROWTH
        gpu = peak_gpu_bytes()
        return {
            "system/process_cores": cores,
            "system/load_per_core": os.getloadavg()[0] / (os.cpu_count() or 1),
            "system/peak_memory_megabytes": peak_bytes() / MEGABYTE,
            "system/disk_free_megabytes": shutil.disk_usage(home()).free / MEGABYTE,
        } | ({"system/peak_gpu_megabytes": gpu / MEGABYTE} if gpu else {})
