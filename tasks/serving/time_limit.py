"""The longest that a model may compute for one request, where strangers send them."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


class TimeLimit:
    """Stops a request that takes too long; without ``most_seconds`` it does nothing.

    Requests then wait for one another, because the model's threads see one end of time.
    """

    def __init__(self, model: Any) -> None:
        """Look at the clock before each part of a model of torch computes."""
        self.most_seconds = math.inf
        self.until = math.inf
        self.lock = Lock()
        for module in model.modules():
            module.register_forward_pre_hook(self._check)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for other requests, then compute.

        Raises:
            ValueError: If either takes longer than ``most_seconds``.
        """
        if self.most_seconds == math.inf:
            yield
            return
        if not self.lock.acquire(timeout=self.most_seconds):
            raise ValueError(
                f"the model was busy for {self.most_seconds:g} seconds: try again later"
            )
        try:
            self.until = time.monotonic() + self.most_seconds
            yield
        finally:
            self.until = math.inf
            self.lock.release()

    def _check(self, *_: Any) -> None:
        if time.monotonic() > self.until:
            raise ValueError(
                f"the texts take more than {self.most_seconds:g} seconds: "
                "send fewer or shorter ones"
            )
