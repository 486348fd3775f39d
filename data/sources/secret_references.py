"""Secrets in a catalog are named, as ``${env:NAME}``, and never written: find those that are."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from data.errors import RowError

NAMED = re.compile(r"\$\{(env|secret):([A-Za-z0-9_-]+)\}")
LOOKS_NAMED = re.compile(r"\$\{[^{}]*\}?")
HELP = "${env:NAME} for a variable of the environment, ${secret:NAME} for a Secret block of Prefect"
# A sign of an address that is not a reference may not be one that ends its part.
USER = re.compile(
    r"^[a-z][a-z0-9+.-]*://(?P<user>(?:\$\{[^{}]*\}|[^/?#:@$]|\$)*)(?::(?P<password>(?:\$\{[^{}]*\}|[^/?#])*))?@",
    re.IGNORECASE,
)
SECRET_NAME = re.compile(
    r"pass|pwd|secret|token|credential|signature|authori[sz]ation|cookie|connection_?string|api[_-]?key"
    r"|^sig$|^sas$|(^|[_-]|access|account|shared|private)key(_?id)?$",
    re.IGNORECASE,
)
# Words that stand where a token might, and a file that holds one.
NO_SECRET = re.compile(r"anon|google_default|cloud|browser|cache|.*\.json", re.IGNORECASE)


def check_references(text: str) -> None:
    """Refuse what looks like the name of a secret and is none.

    Raises:
        RowError: If there is such a thing.
    """
    for found in LOOKS_NAMED.findall(text):
        if not NAMED.fullmatch(found):
            raise RowError(f"{found} names no secret: expected {HELP}")


def written_secrets(text: str) -> Iterator[str]:
    """Passwords, tokens and keys that stand in an address or a text like it, where they belong, references too."""
    text = text.strip()
    if found := USER.match(text):
        is_web = text.lower().startswith("http")
        secret = found["password"] or (
            found["user"] if is_web else ""
        )  # a user alone is a token there
        yield from [secret] * bool(secret)
    for part in re.split(r"[?&;]", text.partition("#")[0])["://" in text :]:
        name, _, value = part.partition("=")
        if value and SECRET_NAME.search(name.strip()) and not NO_SECRET.fullmatch(value):
            yield value


def without_passwords(text: str) -> str:
    """A message without passwords that stand in addresses, named ones apart."""
    return re.sub(r"(://[^/\s@:'\"]*:)(?!\$\{)[^/\s@'\"]+@", r"\1***@", text)


def check_address(address: str) -> None:
    """Refuse an address in which a secret is written, and repeat it nowhere.

    Raises:
        RowError: If there is one, or a reference that is none.
    """
    check_references(address)
    if any(not NAMED.search(secret) for secret in written_secrets(address)):
        raise RowError(f"a password, token or key stands in the address; name it instead: {HELP}")


def check_options(options: Mapping[str, Any], where: str = "options") -> None:
    """Refuse options in which a secret is written, however deep, and repeat it nowhere.

    Raises:
        RowError: If there is one, or a reference that is none.
    """
    for name, value in options.items():
        place, is_secret = (
            f"{where}, {name}",
            bool(SECRET_NAME.search(name) or SECRET_NAME.search(where)),
        )
        if isinstance(value, Mapping):
            check_options(value, place)
        elif isinstance(value, str) and (
            NAMED.search(value) or NO_SECRET.fullmatch(value) or not is_secret
        ):
            try:
                check_address(value)
            except RowError as error:
                raise RowError(f"{place}: {error}") from None
        elif is_secret and value is not None and not isinstance(value, bool):
            raise RowError(f"{place}: a secret stands there; name it instead: {HELP}")
