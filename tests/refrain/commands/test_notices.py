"""The command refrain notices, as a user types it."""

import json

import pytest

from tests.refrain.commands.test_data import Screen, screen
from tests.tasks.notices.test_notices import notice

__all__ = ["screen"]


def test_the_last_notices_are_listed(screen: Screen) -> None:
    from tasks.notices.record import record

    assert "There are no notices yet" in screen.says("notices")
    record([notice(), notice("promoted", "r2")])
    assert "reviews, retrain failed: the disk is full" in screen.says("notices")
    (found,) = json.loads(screen.says("notices", "--last", "1", "--json"))
    assert found["kind"] == "promoted"


def test_a_channel_needs_a_server(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert "start refrain up" in screen.says("notices", "--try", status=1)


@pytest.mark.parametrize("address", ["hooks.example", "ftp://host/hunter22"])
def test_an_address_of_no_channel_is_rejected_without_repeating_it(address: str) -> None:
    from tasks.notices.channels import connect

    with pytest.raises(ValueError, match="no address of a channel") as error:
        connect(address)
    assert address not in str(error.value)
