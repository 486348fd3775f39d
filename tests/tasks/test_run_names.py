"""The reason in the name of a flow run."""

from types import SimpleNamespace
from typing import Any

import pytest

from tasks.run_names import reason


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"auto_scheduled": True, "deployment_id": 1}, "scheduled"),
        ({"created_by": SimpleNamespace(type="AUTOMATION"), "deployment_id": 1}, "triggered"),
        ({"deployment_id": 1}, "by hand"),
        ({}, "command line"),
    ],
)
def test_the_reason_is_why_the_run_started(given: dict[str, Any], expected: str) -> None:
    run: Any = SimpleNamespace(
        **{"auto_scheduled": False, "created_by": None, "deployment_id": None} | given
    )
    assert reason(run) == expected
