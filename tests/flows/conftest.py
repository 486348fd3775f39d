"""One engine for all flows that the tests run."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """Prefect's embedded engine on a temporary database; it takes tens of seconds to start."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=240):
        yield
