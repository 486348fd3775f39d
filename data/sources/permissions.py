"""The paths and hosts that a source may read: everything, or those on two lists."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from data.errors import RowError

PATHS = "REFRAIN_ALLOWED_PATHS"
HOSTS = "REFRAIN_ALLOWED_HOSTS"
LOCAL = ("file", "local")
WEB = ("http", "https")
STORAGE = (
    "s3",
    "s3a",
    "gs",
    "gcs",
    "az",
    "abfs",
    "abfss",
)  # whose host is a bucket
# Other databases have functions that read files, and other options name files and hosts.
DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb")
DATABASE_OPTIONS = ("sslmode", "connect_timeout", "application_name", "charset", "client_encoding")


@dataclass(frozen=True)
class Permissions:
    """The folders and hosts that may be read; None stands for all of them.

    A host may have wildcards (``*.example.org``); a bucket is written with its scheme
    (``s3://reviews``).
    """

    folders: tuple[Path, ...] | None = None
    hosts: tuple[str, ...] | None = None

    def check_path(self, path: str | Path, where: str) -> None:
        """Check that a path, with its links resolved, is in one of the folders.

        Raises:
            RowError: If it is not.
        """
        if self.folders is None:
            return
        real = Path(path).expanduser().resolve()
        if not any(real.is_relative_to(folder.resolve()) for folder in self.folders):
            raise self._not_allowed(where, map(str, self.folders), "a path in", PATHS)

    def check_host(self, host: str, where: str) -> None:
        """Check that a host or bucket is on the list.

        Raises:
            RowError: If it is not.
        """
        if self.hosts is None:
            return
        if not any(fnmatch.fnmatchcase(host.lower(), known.lower()) for known in self.hosts):
            raise self._not_allowed(f"{where} (host {host})", self.hosts, "a host of", HOSTS)

    def check_address(self, url: str, kind: str, options: Mapping[str, Any], where: str) -> None:
        """Check the address of a file and the options of its file system, but not its path.

        Args:
            url: The address, with secrets.
            kind: Its scheme, ``file`` for a path.
            options: Of the file system, with secrets.
            where: The address for messages, without secrets.

        Raises:
            RowError: If one is not allowed.
        """
        if self.folders is None and self.hosts is None:
            return
        if "::" in url or kind not in (*LOCAL, *WEB, *STORAGE):
            raise RowError(
                f"{where} may not be read here: {PATHS} or {HOSTS} is set, and of such addresses "
                f"only paths, {', '.join((*WEB, *STORAGE))} can be checked"
            )
        if kind not in LOCAL:
            host = urlsplit(url).hostname or ""
            self.check_host(f"{kind}://{host}" if kind in STORAGE else host, where)
        for address in _addresses(options):
            self.check_host(urlsplit(address).hostname or "", f"{where}, options")

    def check_redirect(self, url: str, location: str) -> None:
        """Check where a web server sends a request on to.

        Raises:
            RowError: If the host is not allowed, or the request would no longer be encrypted.
        """
        before = urlsplit(url)
        after = urlsplit(urljoin(url, location))
        if before.scheme == "https" and after.scheme != "https":
            raise RowError(
                f"{before.hostname} redirects to {after.scheme}://{after.hostname}, "
                "which is not encrypted: write that address if it is meant"
            )
        self.check_host(after.hostname or "", f"a redirect of {before.hostname}")

    def check_database(
        self, dialect: str, host: str, database: str, options: Mapping[str, Any], where: str
    ) -> None:
        """Check the parts of a database's address.

        Raises:
            RowError: If one is not allowed.
        """
        if self.folders is None and self.hosts is None:
            return
        kind = dialect.partition("+")[0]
        unknown = sorted(set(options) - set(DATABASE_OPTIONS))
        if kind not in DATABASES or unknown or database.startswith("file:"):
            found = f"option {unknown[0]}" if unknown else f"{kind} {database}"
            raise RowError(
                f"the database of {where} may not be read here: {PATHS} or {HOSTS} is set, "
                f"and {found.strip()} cannot be checked"
            )
        if kind == "sqlite":
            self.check_path(database, f"the database of {where}")
            return
        for each in (host or "localhost").split(","):
            self.check_host(each, f"the database of {where}")

    @staticmethod
    def _not_allowed(where: str, known: Any, expected: str, variable: str) -> RowError:
        listed = ", ".join(known) or "none"
        return RowError(
            f"{where} may not be read here: expected {expected} {listed}. "
            f"Whoever runs Refrain can change the list, {variable}"
        )


ALL = Permissions()


def _addresses(value: Any) -> Iterator[str]:
    """Find the addresses in options, such as that of an endpoint or a proxy."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _addresses(each)
    elif isinstance(value, str) and "://" in value:
        yield value
