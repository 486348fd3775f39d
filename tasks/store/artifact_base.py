"""What all artifacts have in common: a folder, a manifest, one process that makes it.

An artifact's folder is named by a digest of its inputs, of the settings that
affect it and of the code that makes it. Its files are written first and
``manifest.json`` last, with their sizes and digests: a folder without a
manifest counts as missing, and so does one whose files differ from it.
"""

import math
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

from tasks.store import durable
from tasks.store.home import home
from tasks.store.locks import locked
from tasks.store.lookup import begin_work
from tasks.store.manifests import MANIFEST, check_files, finish, read_manifest, set_artifact_aside
from tasks.store.sealed import DamagedError


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """The result of a task: its description and its folder."""

    KIND: ClassVar[str]
    dataset: str
    digest: str

    @classmethod
    def folder_of(cls, dataset: str, key: str) -> Path:
        """Return the folder of an artifact, whether it exists or not."""
        return home() / cls.KIND / f"{dataset}-{key}"

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.folder_of(self.dataset, self.digest)

    @classmethod
    def find(cls, dataset: str, key: str) -> Self | None:
        """Find an artifact that was finished before; a damaged one is set aside and missing."""
        folder = cls.folder_of(dataset, key)
        try:
            found = cls.listed(dataset, key)
            if found:
                check_files(folder)
        except DamagedError as error:
            set_artifact_aside(folder, error)
            return None
        return found

    @classmethod
    def listed(cls, dataset: str, key: str) -> Self | None:
        """Find an artifact by its manifest alone, for a list: its files are not checked.

        Raises:
            DamagedError: If the manifest is damaged.
        """
        path = cls.folder_of(dataset, key) / MANIFEST
        manifest = read_manifest(path.parent)
        if manifest is None:
            return None
        try:
            found = cls(**manifest.fields)
        except TypeError as error:
            raise DamagedError(f"{path} has other fields than expected: {error}") from None
        if (found.dataset, found.digest) != (dataset, key):
            raise DamagedError(f"{path} is that of {found.dataset}-{found.digest}")
        return found

    @classmethod
    @contextmanager
    def once(
        cls,
        dataset: str,
        key: str,
        *,
        keep_partial: bool = False,
        is_current: Callable[[Self], bool] = bool,
    ) -> Iterator[tuple[Self | None, Path]]:
        """Provide the finished artifact or, to one process at a time, the folder to make it in.

        A process that waits for another finds what that one has made. An artifact for which
        ``is_current`` is false is made again.
        """
        found = cls.find(dataset, key)
        folder = cls.folder_of(dataset, key)
        if found and is_current(found):
            with suppress(OSError):  # a store that is only read; housekeeping is off there
                os.utime(folder)  # it is used, so nobody removes it in the next days
            yield found, folder
            return
        begin_work()
        with locked(cls.KIND, folder.name, patience_seconds=math.inf):
            found = cls.find(dataset, key)
            if found and is_current(found):
                yield found, folder
                return
            with cls.making(dataset, key, keep_partial=keep_partial):
                yield None, folder

    @classmethod
    @contextmanager
    def making(cls, dataset: str, key: str, *, keep_partial: bool = False) -> Iterator[Path]:
        """Provide the folder to write to; remove it after a failure.

        Args:
            dataset: Name of the dataset.
            key: Digest of the artifact.
            keep_partial: Keep existing files, before and after a failure, to resume from them.
        """
        begin_work()
        folder = cls.folder_of(dataset, key)
        if not keep_partial:
            shutil.rmtree(folder, ignore_errors=True)
        durable.make_folder(folder)  # a training saves its state in it
        try:
            yield folder
        except BaseException:
            if not keep_partial:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def commit(self, *, without: Collection[str] = ()) -> Self:
        """Flush all files, then write the manifest: from now on the artifact exists.

        Args:
            without: Files that are to be removed, and no part of it.
        """
        finish(self.folder, asdict(self), without=without)
        return self
