"""A file of the package index, read as an archive: nothing of it is installed or runs."""

import ast
import hashlib
import logging
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from tenacity import (
    retry,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    wait_exponential,
)
from unearth import Link, PackageFinder
from unearth.errors import HashMismatchError
from unearth.fetchers.sync import PyPIClient
from unearth.preparer import download_link

from data.errors import RowError, nearest
from data.sources.archives import open_member
from data.sources.base import Access, Partition
from data.sources.secret_references import hide_logins

log = logging.getLogger(__name__)
ATTEMPTS = 4
TIMEOUT_SECONDS = 30.0


class NetworkError(OSError):
    """The package index could not be reached, after several tries."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """One file of the package index and the members that hold rows.

    ``members`` maps a split (or ``all``) to a path inside the file;
    ``a.zip!b.txt`` is ``b.txt`` inside ``a.zip`` inside the file.
    """

    has_format: ClassVar[bool] = True

    package: str
    version: str
    file: str
    sha256: str
    members: Mapping[str, str]

    def fetch(self, folder: Path) -> Path:
        """Download the file into ``folder`` unless it is there, and check its hash.

        Raises:
            RowError: If the index has no such file, or its hash differs.
            NetworkError: If the index could not be reached.
        """
        path = folder / self.sha256[:16] / self.file
        if path.exists():
            self._check(path)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        log.info("fetching %s of package %s %s", self.file, self.package, self.version)
        try:
            return self._download(path)
        except HashMismatchError as error:
            raise self._wrong_hash(error.actual["sha256"], "on the index") from error

    def _wrong_hash(self, found: str, where: str) -> RowError:
        return RowError(
            f"{self.file} {where} has sha256 {found}, expected {self.sha256} as the catalog says. "
            "Nothing of it was used. If the publisher changed the file on purpose, look at it and "
            "correct sha256 in the catalog."
        )

    def _check(self, path: Path) -> None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise self._wrong_hash(found, f"in {path.parent} (delete it to fetch it again)")

    def _download(self, path: Path) -> Path:
        settings = _pip_settings()
        trusted = settings.get("trusted-host", "").split()
        partial = path.parent / f"partial-{os.getpid()}"
        partial.mkdir(exist_ok=True)
        try:
            verify = (
                ssl.create_default_context(cafile=settings["cert"]) if "cert" in settings else True
            )
            with PyPIClient(
                verify=verify, trusted_hosts=trusted, timeout=TIMEOUT_SECONDS
            ) as client:
                finder = _finder(client, settings)
                found = self._transfer(finder, self._find(finder), partial)
            if found.parent != partial:  # a file:// index: unearth points at the file itself
                found = Path(shutil.copy(found, partial))
            found.replace(path)
        finally:
            shutil.rmtree(partial)
        return path

    def _transfer(self, finder: PackageFinder, link: Link, folder: Path) -> Path:
        @retry(
            retry=retry_if_not_exception_type(HashMismatchError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(max=8),
            reraise=True,
        )
        def transfer() -> Path:
            return download_link(finder.session, link, folder, hashes={"sha256": [self.sha256]})

        try:
            return transfer()
        except HashMismatchError:
            raise
        except Exception as error:
            raise _unreachable(self, error, finder) from error

    def _find(self, finder: PackageFinder) -> Link:
        @retry(
            retry=retry_if_exception_type(NetworkError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(max=8),
            reraise=True,
        )
        def listing() -> dict[str, Link]:
            try:
                packages = list(finder.find_all_packages(self.package))
                if not packages:  # unearth only logs a failed look-up; find its error
                    _reach(finder, self)
                    packages = list(finder.find_all_packages(self.package))
            except NetworkError:
                raise
            except Exception as error:
                raise _unreachable(self, error, finder) from error
            return {package.link.filename: package.link for package in packages}

        files = listing()
        if self.file not in files:
            hint = nearest(self.file, files) if files else "it lists no file of that package"
            raise RowError(
                f"the package index has no file {self.file!r} of package {self.package}: {hint}"
            )
        return files[self.file]

    def pieces(self, access: Access, known: Sequence[Partition]) -> list[Partition]:
        """List the members; their version is the hash in the catalog, so they never change."""
        order = sorted(self.members, key=lambda split: split == "train")
        return [
            Partition(split=split, name=self.members[split], version=self.sha256) for split in order
        ]

    @contextmanager
    def open(self, partition: Partition, access: Access) -> Iterator[Sequence[IO[bytes]]]:
        """Open a member, unpacked.

        Raises:
            RowError: If the archive lacks it, or it is damaged.
        """
        with (
            self.fetch(access.downloads).open("rb") as file,
            open_member(file, partition.name, self.file) as member,
        ):
            yield [member]


def _unreachable(package: Package, error: BaseException, finder: PackageFinder) -> NetworkError:
    indexes = ", ".join(Link(source["url"]).redacted for source in finder.sources)
    # The address of an index may have a password.
    message = hide_logins(str(error) or type(error).__name__)
    return NetworkError(
        f"cannot fetch {package.file} from the package index ({indexes}) after {ATTEMPTS} tries: "
        f"{message}. "
        "Look at the network and at pip's settings (`pip config list`): "
        "Refrain uses the same index. "
        "Once a file is fetched, no network is needed."
    )


def _reach(finder: PackageFinder, package: Package) -> None:
    """Raise the error of an index that does not respond."""
    for source in finder.sources:
        url = source["url"].rstrip("/") + f"/{package.package}/"
        if source["type"] != "index":
            continue
        try:
            status = finder.session.get(url).status_code
        except Exception as error:
            raise _unreachable(package, error, finder) from error
        if status >= 500 or status in (401, 403, 407):
            raise _unreachable(package, OSError(f"it answered with HTTP status {status}"), finder)


def _pip_settings() -> dict[str, str]:
    """Read the settings of pip by name, from its files and the environment."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(global|download|install|:env:)\.([\w-]+)=(.*)$", listed, re.MULTILINE)
    precedence = ("global", "download", "install", ":env:")  # of pip, the last one wins
    found.sort(key=lambda setting: precedence.index(setting[0]))
    parsed = [(name, ast.literal_eval(value)) for _, name, value in found]
    return {name: value for name, value in parsed if value}  # pip skips empty ones


def _finder(client: PyPIClient, settings: Mapping[str, str]) -> PackageFinder:
    """Make a finder that searches the indexes of pip."""
    indexes = [
        settings.get("index-url") or PackageFinder().sources[0]["url"],
        *settings.get("extra-index-url", "").split(),
    ]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    links = settings.get("find-links", "").split()
    finder = PackageFinder(
        client,  # type: ignore[arg-type]
        index_urls=indexes,
        find_links=links,
        ignore_compatibility=True,
    )
    if not indexes and not links:
        finder.sources.clear()  # without any, unearth takes the public index
    return finder


SOURCE = Package
