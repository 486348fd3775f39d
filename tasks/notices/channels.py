"""Channels of notices: notification blocks of Prefect with one name, in Prefect's database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.blocks.notifications import (
    AppriseNotificationBlock,
    CustomWebhookNotificationBlock,
    SlackWebhook,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from pydantic import SecretStr

from tasks.notices.hidden_secrets import secrets_of

NAME = "refrain-notices"
SLACK = ("hooks.slack.com", "hooks.slack-gov.com")
PAGE = 200
EXPECTED = (
    "expected the address of a Slack webhook (https://hooks.slack.com/services/...), of another "
    "webhook (https://...) or of a mail server "
    "(mailtos://USER:PASSWORD@HOST?from=ADDRESS&to=ADDRESS)"
)


class RefrainEmail(AppriseNotificationBlock):
    """Send notices by email through an SMTP server."""

    _block_type_name = "Refrain Email"
    _block_type_slug = "refrain-email"


@dataclass(frozen=True)
class Channel:
    """A block that sends notices; ``name`` has its type and its name."""

    name: str
    since: datetime  # it gets no notice from before it was made
    block: NotificationBlock

    def send(self, subject: str, body: str) -> None:
        """Send a text.

        Raises:
            OSError: If it cannot be delivered; without the secrets of the channel.
        """
        try:
            with self.block.raise_on_failure():
                self.block.notify(body, subject)  # type: ignore[unused-coroutine]
        except Exception as error:  # of httpx, apprise, smtplib or the network
            reason = error.log if isinstance(error, NotificationError) else str(error)
            text = " ".join(secrets_of(self.block).hide(reason).split()) or type(error).__name__
            raise OSError(
                f"{self.name} did not accept the notice: {text[:300]}. Correct the block "
                f"{NAME} in the dashboard, and try it with refrain notices --try"
            ) from None


def find_channels() -> list[Channel]:
    """Load all notification blocks with the name ``refrain-notices``.

    Raises:
        OSError: If one cannot be loaded.
    """
    with get_client(sync_client=True) as client:
        found = [each for each in _documents() if _is_channel(each)]
        return [_loaded(client.read_block_document(each.id)) for each in found]


def _documents() -> Iterator[BlockDocument]:
    """Read all blocks without their secrets."""
    num_read = 0
    with get_client(sync_client=True) as client:
        while True:
            page = client.read_block_documents(offset=num_read, limit=PAGE, include_secrets=False)
            yield from page
            num_read += len(page)
            if len(page) < PAGE:
                return


def _is_channel(found: BlockDocument) -> bool:
    schema = found.block_schema
    return found.name == NAME and schema is not None and "notify" in schema.capabilities


def _loaded(found: BlockDocument) -> Channel:
    kind = found.block_type.slug if found.block_type else "block"
    try:
        block: Any = Block._from_block_document(found)
    except Exception as error:  # of a class that is not installed, or of an invalid address
        raise OSError(
            f"the block {kind}/{NAME} cannot be loaded ({type(error).__name__}). Correct it in "
            "the dashboard, or replace it with refrain notices --connect"
        ) from None
    return Channel(f"{kind}/{NAME}", found.created or datetime.now(UTC), block)


def connect(address: str) -> str:
    """Store a channel as a block, in place of an earlier one of its type; return its type.

    Raises:
        ValueError: If the address is none of a channel; without repeating it.
    """
    block = _block_of(address.strip())
    block.save(NAME, overwrite=True)
    return block.get_block_type_slug()


def _block_of(address: str) -> NotificationBlock:
    parts = urlsplit(address)
    if not parts.hostname:
        raise ValueError(f"this is no address of a channel: {EXPECTED}")
    if parts.scheme in ("mailto", "mailtos"):
        return RefrainEmail(url=SecretStr(address))
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"this is no address of a channel: {EXPECTED}")
    if parts.hostname in SLACK:
        return SlackWebhook(url=SecretStr(address))
    return CustomWebhookNotificationBlock(
        name=NAME,
        url="{{address}}",  # the dashboard shows this field, and hides the next
        secrets={"address": address},  # type: ignore[arg-type]
        headers=None,
        cookies=None,
        json_data={"subject": "{{subject}}", "text": "{{body}}"},
    )
