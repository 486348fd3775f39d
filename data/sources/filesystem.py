"""A file system by its address, through fsspec: secrets by name, and its errors in words without them."""

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from typing import Any, TypeVar
from urllib.parse import quote

from fsspec import get_filesystem_class
from fsspec.core import url_to_fs
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from data.errors import RowError, nearest
from data.sources.base import Access
from data.sources.secret_references import NAMED, USER

Made = TypeVar("Made")
ATTEMPTS = 3  # over http; the libraries of the others ask again themselves
TIMEOUT_SECONDS = 60.0  # without a byte
EXTRAS = {  # of ours, by what an address begins with
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "az"),
    **dict.fromkeys(("http", "https"), "http"),
}
WEB = ("http", "https")
WEB_OPTIONS = ("headers", "cookies", "proxy", "ssl")  # of each request
# Whose exceptions say that a file could not be read, where they are no OSError.
LIBRARIES = (
    "aiohttp",
    "botocore",
    "aiobotocore",
    "s3fs",
    "google",
    "gcsfs",
    "azure",
    "adlfs",
    "msal",
    "fsspec",
    "yarl",
)
OF_THIS_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
ADVICE = "Look at the address, at options and the secrets they name, and at the network; nothing of it was used"
SAID_CHARS = 300
STATUS = ("status", "status_code", "code")  # where aiohttp, Azure and Google have that of an answer
ESCAPED = re.compile("%[0-9A-Fa-f]{2}")


class UnreachableError(OSError):
    """A file could not be reached, or was lost while it was read: what may pass next time."""


def is_web(system: Any) -> bool:
    """Whether a file system is a web server."""
    return bool(set(WEB) & {system.protocol, *system.protocol})


def system_of(address: str, options: Mapping[str, Any], access: Access) -> tuple[Any, str]:
    """The file system of an address, and the path in it, with the values of secrets.

    Raises:
        RowError: If there is no such file system, it is not installed or has no such option.
    """
    url, given = _revealed(address, access), _revealed_options(options, access)
    kind = url.partition("://")[0] if "://" in url else "file"
    try:
        known = _options_of(get_filesystem_class(kind))
    except ImportError:
        extra = (
            f"'refrain-rnn[{EXTRAS[kind]}]'" if kind in EXTRAS else f"what fsspec needs for {kind}"
        )
        raise RowError(
            f"{kind} addresses need a library that is not installed: pip install {extra}"
        ) from None
    except ValueError:
        raise RowError(
            f"there are no {kind} addresses: {nearest(kind, ('file', *EXTRAS))}"
        ) from None
    if kind in EXTRAS and (unknown := next((name for name in given if name not in known), None)):
        raise RowError(
            f"options: there is no option {unknown!r} for {kind} addresses: {nearest(unknown, known)}"
        )
    if kind in WEB:
        given = {"get_client": _web_client, **given}
    system, path = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True, **given)
    return system, path


def _options_of(system: type[Any]) -> list[str]:
    """Names of the options that a kind of file system has."""
    makers = [vars(kind)["__init__"] for kind in system.__mro__[:-1] if "__init__" in vars(kind)]
    known = {name for maker in makers for name in signature(maker).parameters}
    known |= set(WEB_OPTIONS) if set(WEB) & {*system.protocol} else set()
    return sorted(
        known - {"self", "args", "kwargs", "storage_options", "asynchronous", "loop", "fs"}
    )


async def _web_client(**options: Any) -> Any:
    """A client that waits for each byte, not for the whole of a file, and knows the proxies of the environment."""
    import aiohttp  # noqa: PLC0415, an optional extra

    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=TIMEOUT_SECONDS / 2, sock_read=TIMEOUT_SECONDS
    )
    return aiohttp.ClientSession(**{"timeout": timeout, "trust_env": True, **options})


def _revealed(address: str, access: Access) -> str:
    """An address with its secrets, each written so that no sign in it can end its part."""
    if address.partition("://")[0].lower() not in WEB:
        return access.reveal(address)
    end = found.end() if (found := USER.match(address)) else 0
    user = NAMED.sub(lambda name: quote(access.reveal(name[0]), safe=""), address[:end])
    path, query, values = address[end:].partition("?")
    return (
        user
        + access.reveal(path)
        + query
        + NAMED.sub(lambda name: _in_query(access.reveal(name[0]), name), values)
    )


def _in_query(value: str, name: re.Match[str]) -> str:
    is_value = name.string[: name.start()].endswith("=")  # else it is several, as a signature is
    return quote(value, safe="%" if ESCAPED.search(value) else "") if is_value else value


def _revealed_options(value: Any, access: Access) -> Any:
    if isinstance(value, Mapping):
        return {name: _revealed_options(each, access) for name, each in value.items()}
    return access.reveal(value) if isinstance(value, str) else value


def asked(ask: Callable[[], Made]) -> Made:
    """Ask again, a little later, if a web server did not answer or failed."""
    wait = wait_exponential(multiplier=0.2, max=4)
    return Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait,
        reraise=True,
    )(ask)


def _may_pass(error: BaseException) -> bool:
    cause = _cause(error)
    return _library(cause) == "aiohttp" and getattr(cause, "status", 500) >= 500


def _cause(error: BaseException) -> BaseException:
    """What was wrong: over http, fsspec says of anything that there is no such file."""
    return error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error


def _library(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


@contextmanager
def explained(where: str, access: Access, *, is_reading: bool = False) -> Iterator[None]:
    """Say where a file could not be found, opened or read, without what is secret.

    Args:
        where: The file, as the catalog names it.
        access: Knows the values of the secrets.
        is_reading: Leave alone what is no error of a file system: a format's own.
    """
    try:
        yield
    except RowError as error:
        if is_reading or where in str(error):
            raise
        raise RowError(access.hide(f"{where}: {error}")) from None
    except UnreachableError:
        raise
    except Exception as error:
        if is_reading and not isinstance(error, OSError) and _library(error) not in LIBRARIES:
            raise
        if isinstance(error, OSError) and error.errno in OF_THIS_MACHINE:
            raise
        raise _in_words(_cause(error), where, access) from None  # the chain may hold what is secret


def _in_words(error: BaseException, where: str, access: Access) -> Exception:
    status = _status(error)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return RowError(f"there is no file {where}")
    said = _said(error, access)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return OSError(f"cannot read {where}: {error.strerror}")
    if isinstance(error, PermissionError) or status in (401, 403, 407):
        return RowError(
            f"{where} may not be read: {said}. Look at the user, key or token that the catalog names"
        )
    if isinstance(error, OSError) or _library(error) in LIBRARIES:
        return UnreachableError(f"cannot read {where}: {said}. {ADVICE}")
    return RowError(f"cannot read {where}: {said}. Look at the address and at options")


def _status(error: BaseException) -> Any:
    """The status of the answer that an error is about, wherever its library has it."""
    answer = getattr(error, "response", None)
    if isinstance(answer, Mapping):  # as that of botocore
        return answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return next((getattr(error, name) for name in STATUS if hasattr(error, name)), None)


def _said(error: BaseException, access: Access) -> str:
    """What a library said, in one short line without secrets."""
    said = re.sub(r"(\w://)[^/\s'\"]*@", r"\1***@", access.hide(str(error)))
    said = re.sub(r"(\w://[^\s'\"?]*\?)[^\s'\"]*", r"\1***", said)
    return access.hide(" ".join(said.split())[:SAID_CHARS]).rstrip(".") or type(error).__name__
