"""File systems by address, through fsspec, with secrets revealed only for their requests."""

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from inspect import signature
from typing import Any, TypeVar
from urllib.parse import quote

from fsspec import get_filesystem_class
from fsspec.core import url_to_fs
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from data.errors import RowError, nearest
from data.sources.base import Access
from data.sources.permissions import LOCAL, Permissions
from data.sources.secret_references import NAMED, USER

Made = TypeVar("Made")
ATTEMPTS = 3  # over http; the libraries of other addresses retry themselves
TIMEOUT_SECONDS = 60.0  # without a byte
EXTRAS = {  # extras of this package, by the scheme of an address
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "az"),
    **dict.fromkeys(("http", "https"), "http"),
}
WEB = ("http", "https")
WEB_OPTIONS = ("headers", "cookies", "proxy", "ssl")  # of each request
# Libraries whose exceptions mean an unreadable file, where they are no OSError.
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
ADVICE = (
    "Look at the address, at options and the secrets they name, and at the network; "
    "nothing of it was used"
)
MESSAGE_CHARS = 300
STATUS = ("status", "status_code", "code")  # attributes of the errors of aiohttp, Azure and Google
ESCAPED = re.compile("%[0-9A-Fa-f]{2}")


class UnreachableError(OSError):
    """A file could not be reached, or the connection broke; a retry may succeed."""


def is_web(system: Any) -> bool:
    """Whether a file system is a web server."""
    return bool(set(WEB) & {system.protocol, *system.protocol})


def system_of(address: str, options: Mapping[str, Any], access: Access) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it, with secrets revealed.

    Raises:
        RowError: If there is no such file system, it is not installed or has no such option.
    """
    url = _revealed(address, access)
    given = _revealed_options(options, access)
    kind = url.partition("://")[0] if "://" in url else "file"
    access.permissions.check_address(url, kind, given, address)
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
            f"options: there is no option {unknown!r} for {kind} addresses: "
            f"{nearest(unknown, known)}"
        )
    if kind in WEB:
        given = {"get_client": partial(_web_client, access.permissions), **given}
    system, path = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True, **given)
    if kind in LOCAL:
        access.permissions.check_path(path, address)
    return system, path


def _options_of(system: type[Any]) -> list[str]:
    """List the names of the options of a class of file systems."""
    makers = [vars(kind)["__init__"] for kind in system.__mro__[:-1] if "__init__" in vars(kind)]
    known = {name for maker in makers for name in signature(maker).parameters}
    known |= set(WEB_OPTIONS) if set(WEB) & {*system.protocol} else set()
    return sorted(
        known - {"self", "args", "kwargs", "storage_options", "asynchronous", "loop", "fs"}
    )


async def _web_client(permissions: Permissions, **options: Any) -> Any:
    """Make a client whose timeout is for each read, and that uses the environment's proxies.

    It follows redirects to permitted hosts only.
    """
    import aiohttp  # noqa: PLC0415, an optional extra

    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=TIMEOUT_SECONDS / 2, sock_read=TIMEOUT_SECONDS
    )

    async def check(session: object, context: object, redirect: Any) -> None:
        location = redirect.response.headers.get("Location") or redirect.response.headers["URI"]
        permissions.check_redirect(str(redirect.url), location)

    watch = aiohttp.TraceConfig()
    watch.on_request_redirect.append(check)
    given = {"timeout": timeout, "trust_env": True, "trace_configs": [watch], **options}
    return aiohttp.ClientSession(**given)


def _revealed(address: str, access: Access) -> str:
    """Put secrets into an address, quoted so that no character ends their part."""
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
    is_value = name.string[: name.start()].endswith(
        "="
    )  # else it may be several parameters, as a signature is
    return quote(value, safe="%" if ESCAPED.search(value) else "") if is_value else value


def _revealed_options(value: Any, access: Access) -> Any:
    if isinstance(value, Mapping):
        return {name: _revealed_options(each, access) for name, each in value.items()}
    return access.reveal(value) if isinstance(value, str) else value


def with_retries(ask: Callable[[], Made]) -> Made:
    """Call a function, and retry a little later if a web server failed or gave no response."""
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
    """Find the real error: over http, fsspec raises FileNotFoundError for any failure."""
    return error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error


def _library(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


@contextmanager
def explain_errors(where: str, access: Access, *, is_reading: bool = False) -> Iterator[None]:
    """Turn errors about a file into RowError or UnreachableError, without secrets.

    Args:
        where: The file, as the catalog names it.
        access: Hides the values of secrets.
        is_reading: Pass on errors that no file system raises: those of a format.
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
        raise _in_words(_cause(error), where, access) from None  # the chain may hold secrets


def _in_words(error: BaseException, where: str, access: Access) -> Exception:
    status = _status(error)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return RowError(f"there is no file {where}")
    message = _message(error, access)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return OSError(f"cannot read {where}: {error.strerror}")
    if isinstance(error, PermissionError) or status in (401, 403, 407):
        return RowError(
            f"{where} may not be read: {message}. "
            "Look at the user, key or token that the catalog names"
        )
    if isinstance(error, OSError) or _library(error) in LIBRARIES:
        return UnreachableError(f"cannot read {where}: {message}. {ADVICE}")
    return RowError(f"cannot read {where}: {message}. Look at the address and at options")


def _status(error: BaseException) -> Any:
    """Find the HTTP status of an error, which each library stores elsewhere."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # of botocore
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return next((getattr(error, name) for name in STATUS if hasattr(error, name)), None)


def _message(error: BaseException, access: Access) -> str:
    """Write the message of a library in one short line without secrets."""
    text = re.sub(r"(\w://)[^/\s'\"]*@", r"\1***@", access.hide(str(error)))
    text = re.sub(r"(\w://[^\s'\"?]*\?)[^\s'\"]*", r"\1***", text)
    return access.hide(" ".join(text.split())[:MESSAGE_CHARS]).rstrip(".") or type(error).__name__
