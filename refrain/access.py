"""The password of the servers of ``refrain up``: drawn once, kept in the store for its owner."""

import os
import re
import secrets
import stat
from pathlib import Path

from tasks.store.durable import rename
from tasks.store.home import home

USER = "refrain"
PASSWORD_BYTES = 24
VALUE = re.compile(r"^export (\w+)=(\S+)$", re.MULTILINE)
TEXT = """\
# Type `source {path}` before you call Prefect in a shell.
# The login page of the Prefect dashboard takes what stands after PREFECT_API_AUTH_STRING=.
# Delete this file and start `refrain up` again to draw a new password.
export PREFECT_API_URL={api}
export PREFECT_API_AUTH_STRING={auth}
"""


def access_file() -> Path:
    """Return the file with the address of the Prefect server, and its user and password."""
    return home() / "up.env"


def kept_auth(api: str) -> str:
    """Return ``user:password`` of a Prefect server, empty if it is not the one of this store."""
    values = _values()
    # The password goes to no other server, whatever PREFECT_API_URL names.
    is_ours = values.get("PREFECT_API_URL", "").rstrip("/") == api.rstrip("/")
    return values.get("PREFECT_API_AUTH_STRING", "") if is_ours else ""


def draw_auth() -> str:
    """Draw a user and password, ``user:password``."""
    return f"{USER}:{secrets.token_urlsafe(PASSWORD_BYTES)}"


def keep_auth(api: str) -> str:
    """Return ``user:password`` of this store's servers, and keep it with their address.

    It stays the same from start to start, so that a browser stays logged in. Where others could
    read the file, a new one is drawn. A user's own PREFECT_SERVER_API_AUTH_STRING wins.
    """
    auth = os.environ.get("PREFECT_SERVER_API_AUTH_STRING") or _private_auth() or draw_auth()
    _write(TEXT.format(path=access_file(), api=api, auth=auth))
    return auth


def _private_auth() -> str:
    path = access_file()
    if not path.is_file() or stat.S_IMODE(path.stat().st_mode) & 0o077:
        return ""
    return _values().get("PREFECT_API_AUTH_STRING", "")


def _values() -> dict[str, str]:
    try:
        return dict(VALUE.findall(access_file().read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):  # absent, of another user or damaged: drawn again
        return {}


def _write(text: str) -> None:
    """Write the file; from its first byte on nobody but its owner can read it."""
    partial = access_file().with_name(f"up.env.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        rename(partial, access_file())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
