"""Values that a catalog only names: from the environment, or from a Prefect Secret block."""

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
    """Fills names of secrets in just before they are used, and takes the values out of messages again."""

    def __init__(self) -> None:
        """Begin with no value known."""
        self.values: set[str] = set()

    def reveal(self, text: str) -> str:
        """Write values in place of ``${env:NAME}`` and ``${secret:NAME}``.

        Raises:
            RowError: If there is no such variable or block.
            OSError: If Prefect cannot be asked.
        """
        return NAMED.sub(lambda found: self._value(found[1], found[2]), text)

    def _value(self, kind: str, name: str) -> str:
        value = os.environ.get(name) if kind == "env" else _block(name)
        if not value:
            place = (
                "the environment has no variable"
                if kind == "env"
                else "Prefect has no Secret block"
            )
            raise RowError(
                f"{place} {name!r}, which the catalog names as ${{{kind}:{name}}}: set it where the flow runs"
            )
        # A part is a secret too: libraries say less than all of an address.
        self.values |= {
            value,
            value.strip(),
            *value.strip().splitlines(),
            *written_secrets(value),
        } - {""}
        return value

    def hide(self, text: str) -> str:
        """Take the values that were revealed out of a text, however they are written in it."""
        written = {form for value in self.values for form in _forms(value)}
        for form in sorted(written, key=len, reverse=True):
            text = re.sub(re.escape(form), HIDDEN, text, flags=re.IGNORECASE if "%" in form else 0)
        return text


def _forms(value: str) -> Iterator[str]:
    """A value as it may stand in an address, in JSON or in what Python shows."""
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
    """The value of a block as it was saved, empty if there is none; ``get`` would read it as JSON."""
    try:
        block = Secret.load(name, _sync=True)  # type: ignore[call-arg]
    except ValueError:  # Prefect's word for a block that is not there
        return ""
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise OSError(
            f"the Secret block {name!r} cannot be read: {said}. Look at the server of Prefect"
        ) from None
    value = block.value.get_secret_value()  # type: ignore[union-attr]
    return value if isinstance(value, str) else json.dumps(value)
