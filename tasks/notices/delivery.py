"""The delivery of recorded notices to all channels, each once."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tasks.notices.channels import Channel, find_channels
from tasks.notices.notice import Notice
from tasks.notices.preferences import Preferences, read_preferences
from tasks.notices.record import mark, undelivered
from tasks.store.locks import locked

WAIT_SECONDS = 10.0
MAX_NOTICES = 20  # of one message; the command lists the others


def deliver(now: datetime | None = None) -> list[str]:
    """Send what is due to each channel, in one message; what fails is sent the next time.

    Returns:
        Why channels did not receive it.
    """
    faults = []
    # One process at a time: another would send the same notices.
    with locked("notices", "delivery", patience_seconds=WAIT_SECONDS):
        channels = find_channels()
        chosen = read_preferences() if channels else Preferences()
        for channel in channels:
            try:
                _deliver_to(channel, chosen, now or datetime.now(UTC))
            except OSError as error:
                faults.append(str(error))
    return faults


def _deliver_to(channel: Channel, chosen: Preferences, now: datetime) -> None:
    waiting = undelivered(channel.name, channel.since)
    mark([each for each in waiting if each.kind in chosen.skip], channel.name, is_sent=False)
    due = [each for each in waiting if each.kind not in chosen.skip and chosen.is_due(each, now)]
    if due:
        channel.send(*message(due))
        mark(due, channel.name, is_sent=True)


def message(notices: Sequence[Notice]) -> tuple[str, str]:
    """Write the subject and the text of a message with some notices."""
    if len(notices) == 1:
        subject = f"Refrain: {notices[0].dataset or notices[0].flow}, {notices[0].kind}"
    else:
        subject = f"Refrain: {len(notices)} notices"
    texts = [notice.text for notice in notices[:MAX_NOTICES]]
    if len(notices) > MAX_NOTICES:
        texts.append(f"and {len(notices) - MAX_NOTICES} more: refrain notices")
    return subject, "\n\n".join(texts)
