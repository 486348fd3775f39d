"""The command ``refrain notices``: the last notices, and the channel that sends them.

Heavy imports are inside the command, so that ``refrain --help`` answers at once.
"""

import os
import sys
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from refrain.doctor.surroundings import read_up, use_own_server
from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import Json, print_json

app = typer.Typer()
NO_DIGEST = -1


@app.command()
def notices(
    connect: Annotated[
        bool,
        typer.Option("--connect", help="Ask for the address of a channel, and store it."),
    ] = False,
    is_try: Annotated[
        bool, typer.Option("--try", help="Send a test message to each channel now.")
    ] = False,
    digest: Annotated[
        int | None,
        typer.Option(
            "--digest",
            metavar="HOUR",
            help="Send one message a day after this hour (UTC); -1 sends each notice at once.",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Do not send a kind; repeatable; '' sends all again."),
    ] = None,
    last: Annotated[int, typer.Option(min=0, metavar="N", help="List the last N.")] = 10,
    as_json: Json = False,
) -> None:
    """List the last notices, or set up how they are sent.

    `--connect` asks for the address of a Slack webhook, another webhook or a mail
    server, or reads it from standard input. It is stored as a block of Prefect with
    the name `refrain-notices`, never in a file. Scheduled and dashboard runs send
    notices; `refrain run --notices` does too.

    Kinds are promoted, kept, not-promoted, refused-data, failed, stale, unusual,
    drifted and rolled-back.

    **Examples**

        refrain notices --connect

        refrain notices --try

        refrain notices --digest 7 --skip kept
    """
    with plain_errors():
        if connect or is_try or digest is not None or skip:
            _use_server()
            _set_up(digest, skip, connect=connect, is_try=is_try)
            return
        prepare()
        from tasks.notices.record import recorded

        found = recorded()[-last:] if last else []
    _show(found, as_json=as_json)


def _show(found: list[Any], *, as_json: bool) -> None:
    """Print notices, the newest last."""
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        print(f"{each.time[:16].replace('T', ' ')} UTC  {each.text}")
    if not found:
        print("There are no notices yet. refrain notices --connect sets up where they are sent")


def _use_server() -> None:
    """Use the Prefect server of ``refrain up``, else that of PREFECT_API_URL.

    Raises:
        ValueError: If there is none.
    """
    use_own_server(read_up())
    if not os.environ.get("PREFECT_API_URL"):
        raise ValueError(
            "the channel of notices is stored in Prefect, and no server runs: start refrain up "
            "in another terminal, or set PREFECT_API_URL"
        )
    prepare()


def _set_up(digest: int | None, skip: list[str] | None, *, connect: bool, is_try: bool) -> None:
    """Store a channel or preferences, and try the channels."""
    from tasks.notices import channels
    from tasks.notices.preferences import read_preferences, write_preferences

    if connect:
        print(f"Notices go to {channels.connect(_address())}/{channels.NAME}")
    if digest is not None or skip:
        chosen = read_preferences()
        if digest is not None:
            chosen = replace(chosen, digest_hour=None if digest == NO_DIGEST else digest)
        if skip:
            chosen = replace(chosen, skip=tuple(filter(None, skip)))
        write_preferences(chosen)
        when = "at once" if chosen.digest_hour is None else f"daily after {chosen.digest_hour}:00"
        print(f"Notices are sent {when}; not sent: {', '.join(chosen.skip) or 'none'}")
    if is_try:
        _try(channels.find_channels())


def _address() -> str:
    """Ask for an address without showing it, or read it from a pipe."""
    if sys.stdin.isatty():
        text: str = typer.prompt("Address of the webhook or mail server", hide_input=True)
        return text
    return sys.stdin.readline().strip()


def _try(found: list[Any]) -> None:
    """Send a test message.

    Raises:
        ValueError: If there is no channel.
    """
    if not found:
        raise ValueError("notices have no channel yet: refrain notices --connect")
    for channel in found:
        channel.send("Refrain: test", "Refrain, test: notices arrive here.")
        print(f"{channel.name} accepted a test message")
