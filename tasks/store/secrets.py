"""Secrets that a catalog names: from the environment or from a Prefect Secret block."""

import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from prefect.blocks.system import Secret

from data.errors import RowError
from data.sources.secret_references import NAMED, written_secrets

HIDDEN = "***"


class Secrets:
    """Replace names of secrets with their values, and hide the values in messages."""

    def __init__(self) -> None:
        """Start without known values."""
        self.values: set[str] = set()

    def reveal(self, text: str) -> str:
        """Replace ``${env:NAME}`` and ``${secret:NAME}`` with their values.

        Raises:
            RowError: If there is no such variable or block.
            OSError: If Prefect does not respond.
        """
        return NAMED.sub(lambda found: self._value(found[1], found[2]), text)

    def _value(self, kind: str, name: str) -> str:
        value = os.environ.get(name) if kind == "env" else _block(name)
        if not value:
            where = "the environment has no variable"
            if kind != "env":
                where = "Prefect has no Secret block"
            raise RowError(
                f"{where} {name!r}, which the catalog names as ${{{kind}:{name}}}: "
                "set it where the flow runs"
            )
        # Parts are secret too: messages of libraries may show a part of an address.
        self.values |= {
            value,
            value.strip(),
            *value.strip().splitlines(),
            *written_secrets(value),
        } - {""}
        return value

    def hide(self, text: str) -> str:
        """Hide the revealed values in a text, in every encoding of them."""
        written = {form for value in self.values for form in _forms(value)}
        for form in sorted(written, key=len, reverse=True):
            text = re.sub(re.escape(form), HIDDEN, text, flags=re.IGNORECASE if "%" in form else 0)
        return text


def _forms(value: str) -> Iterator[str]:
    """Yield the forms of a value in addresses, in JSON and in Python literals."""
    for text in {value, unquote(value), unquote_plus(value)}:
        yield from (
            text,
            quote(text, safe=""),
            quote(text),
            quote_plus(text),
            json.dumps(text)[1:-1],
            repr(text)[1:-1],
        )


def _block(name: str) -> str:
    """Return the stored value of a block, empty if there is none; ``get`` would parse JSON."""
    try:
        block = Secret.load(name, _sync=True)  # type: ignore[call-arg]
    except ValueError:  # Prefect's error for a missing block
        return ""
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise OSError(
            f"the Secret block {name!r} cannot be read: {message}. Check the Prefect server"
        ) from None
    value = block.value.get_secret_value()  # type: ignore[union-attr]
    return value if isinstance(value, str) else json.dumps(value)
