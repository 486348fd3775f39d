"""Lists of Prefect's API, which come in pages, and the work pool of our deployments."""

from collections.abc import Callable, Mapping
from typing import Any

POOL = "refrain"
PAGE = 200  # rows that the server sends at once, at most


def read_list(
    call: Callable[[str, str, Mapping[str, Any]], Any],
    path: str,
    body: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Read all pages of a list.

    Args:
        call: Sends a request of a method, a path and a body, and returns its response.
        path: Of the list, such as ``deployments/filter``.
        body: Filters and order.
    """
    found: list[dict[str, Any]] = []
    while True:
        page = call("POST", path, {**(body or {}), "limit": PAGE, "offset": len(found)})
        found += page
        if len(page) < PAGE:
            return found
