"""Values that a catalog only names: from the environment, or from a Prefect Secret block."""

import os
import re
from urllib.parse import quote, quote_plus

from prefect.blocks.system import Secret

from data.errors import RowError

NAMED = re.compile(r"\$\{(env|secret):([A-Za-z0-9_-]+)\}")
HIDDEN = "***"


class Secrets:
    """Fills names of secrets in just before they are used, and takes the values out of messages again."""

    def __init__(self) -> None:
        """Begin with no value known."""
        self.values: set[str] = set()

    def reveal(self, text: str) -> str:
        """Write values in place of ``${env:NAME}`` and ``${secret:NAME}``.

        Raises:
            RowError: If there is no such variable or block.
        """
        return NAMED.sub(lambda found: self._value(found[1], found[2]), text)

    def _value(self, kind: str, name: str) -> str:
        value = os.environ.get(name) if kind == "env" else _block(name)
        if not value:
            place = "the environment has no variable" if kind == "env" else "Prefect has no Secret block"
            raise RowError(f"{place} {name!r}, which the catalog names as ${{{kind}:{name}}}: set it where the flow runs")
        self.values.add(value)
        return value

    def hide(self, text: str) -> str:
        """Take the values that were revealed out of a text, however they are written in an address."""
        for value in sorted(self.values, key=len, reverse=True):
            for written in {value, quote(value, safe=""), quote(value), quote_plus(value)}:
                text = text.replace(written, HIDDEN)
        return text


def _block(name: str) -> str:
    try:
        block = Secret.load(name, _sync=True)  # type: ignore[call-arg]
    except ValueError:  # Prefect's word for a block that is not there
        return ""
    return str(block.get())  # type: ignore[union-attr]
