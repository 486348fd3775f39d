"""Services of ``refrain up`` that end by themselves: each is started again after a pause."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from refrain.services import Service, launched, stop, wait_for

FIRST_PAUSE_SECONDS = 1.0  # before the first start; the next ones take twice as long
LONGEST_PAUSE_SECONDS = 300.0
MOST = 20  # ends of a service within an hour
HOUR_SECONDS = 3600.0


@dataclass
class Restarts:
    """Ends of services, and when the next start of each is due; in the order of their starts.

    A server comes before the worker that needs it. A killed service is back within seconds; one
    that cannot start, as on a full disk, is tried for about an hour.
    """

    services: Sequence[Service]
    ends: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    due: dict[str, float] = field(default_factory=dict)

    def look(self) -> Iterator[str]:
        """Note services that ended, and start those again that are due.

        Yields:
            A line for each end and each start.

        Raises:
            ValueError: If a service ended more than ``MOST`` times within an hour; names its log.
        """
        for service in self.services:
            status = service.process.poll()
            if status is None:
                continue
            if service.name not in self.due:
                pause = self._pause(service)
                self.due[service.name] = time.monotonic() + pause
                yield f"{service.name} ended with status {status}; it starts again in {pause:g} s"
            if self.due[service.name] <= time.monotonic():
                del self.due[service.name]
                if _is_started(service):
                    earlier = f"{service.log.stem}.1.log"
                    yield f"{service.name} started again; its log before is {earlier}"

    def _pause(self, service: Service) -> float:
        """Count an end, and give the seconds until the next start."""
        now = time.monotonic()
        recent = [end for end in self.ends[service.name] if now - end < HOUR_SECONDS]
        self.ends[service.name] = [*recent, now]
        if len(recent) >= MOST:
            service.check()
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** len(recent))


def _is_started(service: Service) -> bool:
    """Start a service again, and tell whether it responds, as the worker needs the servers."""
    # What is left of its processes holds its port; flow runs of a killed worker save first.
    stop([service])
    try:
        service.process = launched(service.log, service.command, service.environment)
        service.num_read = 0
        if service.address:
            wait_for(service.address, service, [service])
    except (OSError, ValueError):  # a full disk, or it ended again: it stays due
        return False
    return True
