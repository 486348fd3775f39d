"""References to secrets in a catalog, ``${env:NAME}``, and the search for written secrets."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from data.errors import RowError

NAMED = re.compile(r"\$\{(env|secret):([A-Za-z0-9_-]+)\}")
LOOKS_NAMED = re.compile(r"\$\{[^{}]*\}?")
HELP = "${env:NAME} for a variable of the environment, ${secret:NAME} for a Secret block of Prefect"
# Outside of references, no character may be one that ends its part of the address.
USER = re.compile(
    r"^[a-z][a-z0-9+.-]*://(?P<user>(?:\$\{[^{}]*\}|[^/?#:@$]|\$)*)"
    r"(?::(?P<password>(?:\$\{[^{}]*\}|[^/?#])*))?@",
    re.IGNORECASE,
)
SECRET_NAME = re.compile(
    r"pass|pwd|secret|token|credential|signature|authori[sz]ation|cookie"
    r"|connection_?string|api[_-]?key|^sig$|^sas$"
    r"|(^|[_-]|access|account|shared|private)key(_?id)?$",
    re.IGNORECASE,
)
# Values of such options that are no secret: words, and a file that holds the secret.
NO_SECRET = re.compile(r"anon|google_default|cloud|browser|cache|.*\.json", re.IGNORECASE)


def check_references(text: str) -> None:
    """Reject text that looks like a reference and is none.

    Raises:
        RowError: If there is such text.
    """
    for found in LOOKS_NAMED.findall(text):
        if not NAMED.fullmatch(found):
            raise RowError(f"{found} names no secret: expected {HELP}")


def written_secrets(text: str) -> Iterator[str]:
    """Find the passwords, tokens and keys in an address or a similar text, references included."""
    text = text.strip()
    if found := USER.match(text):
        is_web = text.lower().startswith("http")
        # On the web, a user alone is a token.
        secret = found["password"] or (found["user"] if is_web else "")
        yield from [secret] * bool(secret)
    for part in re.split(r"[?&;]", text.partition("#")[0])["://" in text :]:
        name, _, value = part.partition("=")
        if value and SECRET_NAME.search(name.strip()) and not NO_SECRET.fullmatch(value):
            yield value


def without_passwords(text: str) -> str:
    """Hide passwords of addresses in a message, except references."""
    return re.sub(r"(://[^/\s@:'\"]*:)(?!\$\{)[^/\s@'\"]+@", r"\1***@", text)


def hide_logins(text: str) -> str:
    """Hide users and passwords of addresses in a message that names no references."""
    return re.sub(r"//[^/@\s]*@", "//***@", text)


def check_address(address: str) -> None:
    """Reject an address with a written secret, without repeating it.

    Raises:
        RowError: If there is one, or an invalid reference.
    """
    check_references(address)
    if any(not NAMED.search(secret) for secret in written_secrets(address)):
        raise RowError(f"a password, token or key stands in the address; name it instead: {HELP}")


def check_options(options: Mapping[str, Any], where: str = "options") -> None:
    """Reject options with a written secret at any depth, without repeating it.

    Raises:
        RowError: If there is one, or an invalid reference.
    """
    for name, value in options.items():
        path = f"{where}, {name}"
        is_secret = bool(SECRET_NAME.search(name) or SECRET_NAME.search(where))
        if isinstance(value, Mapping):
            check_options(value, path)
        elif isinstance(value, str) and (
            NAMED.search(value) or NO_SECRET.fullmatch(value) or not is_secret
        ):
            try:
                check_address(value)
            except RowError as error:
                raise RowError(f"{path}: {error}") from None
        elif is_secret and value is not None and not isinstance(value, bool):
            raise RowError(f"{path}: a secret stands there; name it instead: {HELP}")
