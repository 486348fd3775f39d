"""Notices: channels that can be loaded and reached, and notices that were not delivered."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from refrain.doctor.finding import ERROR, WARNING, Finding
from refrain.doctor.surroundings import Surroundings

TRY = "refrain notices --try"
RESPONSE_SECONDS = 5.0
LATE = timedelta(hours=2)  # the flow reconcile sends every hour what waits
PORTS = {"http": 80, "https": 443}


def check_notices(seen: Surroundings) -> Iterator[Finding]:
    """Check the channels of notices, and whether notices wait for one."""
    if seen.prefect_fault:
        return
    from tasks.notices.channels import NAME, find_channels
    from tasks.notices.preferences import read_preferences

    try:
        channels = find_channels()
        chosen = read_preferences()
    except (OSError, ValueError) as error:
        yield Finding(ERROR, str(error), "refrain notices --connect, or correct it there")
        return
    for channel in channels:
        if fault := _fault_of(channel.block):
            text = f"notices cannot be delivered: {channel.name} does not respond ({fault})"
            yield Finding(ERROR, text, f"correct the block {NAME} in the dashboard; {TRY}")
        elif late := _late(channel, chosen):
            text = f"{channel.name} has not received {late} notices"
            yield Finding(WARNING, text, f"{TRY} shows why; refrain notices lists them")


def _late(channel: Any, chosen: Any) -> int:
    """Count the notices that are due for hours."""
    from tasks.notices.record import undelivered

    then = datetime.now(UTC) - LATE
    waiting = undelivered(channel.name, channel.since)
    due = [each for each in waiting if each.kind not in chosen.skip and chosen.is_due(each, then)]
    return sum(datetime.fromisoformat(each.time) < then for each in due)


def _fault_of(block: Any) -> str:
    """Connect to the host of a webhook, and send nothing; empty if it responds or has none."""
    url = getattr(block, "url", "")
    address = url.get_secret_value() if hasattr(url, "get_secret_value") else str(url)
    secrets = getattr(block, "secrets", None)
    for name, value in (secrets.get_secret_value() if secrets else {}).items():
        address = address.replace("{{" + name + "}}", str(value))
    parts = urlsplit(address)
    if parts.scheme not in PORTS or not parts.hostname:
        return ""
    try:
        where = (parts.hostname, parts.port or PORTS[parts.scheme])
        socket.create_connection(where, timeout=RESPONSE_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
