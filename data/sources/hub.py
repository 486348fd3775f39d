"""A dataset of the Hugging Face hub, or a folder of its layout: streamed, at one commit.

No code of the dataset runs.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import RowError, nearest
from data.formats.columnar import find_column
from data.sources.base import Access, Partition
from data.sources.clutter import is_clutter

BATCH_ROWS = 10_000
HOST = "huggingface.co"
TIMEOUT_SECONDS = 20
ATTEMPTS = 3  # to continue after a network failure; the library's default of 20 takes minutes
# Held-out texts must be known before the training rows come.
ORDER = ("test", "validation", "all", "train")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
REFERENCE = re.compile(r"\$\{(env|secret):[\w-]+\}")
NETWORKS = ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "requests", "urllib3")
REFUSALS = {401, 403, 404}
# The library raises these for files that it cannot read; only the first is an OSError.
UNREADABLE = (FileNotFoundError, ValueError, RuntimeError, ArithmeticError, TypeError, KeyError)


class HubError(OSError):
    """The hub could not be reached, or the connection broke; a retry may succeed."""


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A dataset ``owner/name``, or a folder whose path begins with ``/``, ``./``, ``../`` or ``~``.

    ``members`` maps a split (or ``all``) to the publisher's name of it;
    ``name`` is the publisher's configuration if there are several. Class
    labels, which the hub stores as numbers, become their names, and -1, the
    publishers' sign for no label, becomes null. Only the token that ``token``
    refers to is sent.
    """

    has_format: ClassVar[bool] = False

    dataset: str
    members: Mapping[str, str]
    name: str = ""
    revision: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        if self.token and not REFERENCE.fullmatch(self.token):
            raise RowError(
                "token must name a secret, as ${env:HF_TOKEN} or ${secret:NAME}, and not be one"
            )
        if self._is_folder:
            if self.revision:
                raise RowError(
                    f"revision has no meaning for the folder {self.dataset}: leave it out"
                )
            return
        if not REPOSITORY.fullmatch(self.dataset):
            raise RowError(
                f"dataset must be owner/name, or a folder as /path or ./path, got {self.dataset!r}"
            )
        if not COMMIT.fullmatch(self.revision):
            raise RowError(
                f"revision of {self.dataset} must be a full commit of 40 hexadecimal digits, "
                f"got {self.revision!r}: a branch or a tag may move, and the rows with it. "
                "Copy it from 'Files and versions', 'History' on the dataset's page. "
                f"If {self.dataset} is a folder, write ./{self.dataset}"
            )

    def pieces(self, access: Access, known: Sequence[Partition]) -> list[Partition]:
        """List one partition per split.

        Its version is the commit, or a digest of names, sizes and times of the
        folder's files. No request goes to the hub, because a commit does not change.
        """
        self._check_permissions(access)
        version = _files_digest(self._folder) if self._is_folder else self.revision
        return [
            Partition(split=split, name=f"{self._label}, {self.members[split]}", version=version)
            for split in sorted(self.members, key=ORDER.index)
        ]

    def tables(
        self, partition: Partition, columns: Mapping[str, str], access: Access
    ) -> Iterator[pa.Table]:
        """Stream a split in batches of 10,000 rows.

        Dots in a column's name lead into structs (``translation.de``).
        """
        with _explained(self._label, access):
            stream = self._stream(self.members[partition.split], access)
            if stream.features:
                first = [
                    name if name in stream.features else name.partition(".")[0]
                    for name in columns.values()
                ]
                known = [name for name in dict.fromkeys(first) if name in stream.features]
                if len(known) == len(set(first)):  # if not, the first batch says so
                    stream = stream.select_columns(known)
            for batch in stream.with_format("arrow").iter(batch_size=BATCH_ROWS):
                table = _with_class_names(batch, stream.features or {})
                yield pa.table({role: find_column(table, name) for role, name in columns.items()})

    @property
    def _is_folder(self) -> bool:
        return self.dataset.startswith(("/", "./", "../", "~"))

    @property
    def _folder(self) -> Path:
        return Path(self.dataset).expanduser()

    @property
    def _label(self) -> str:
        return f"{self.dataset} ({self.name})" if self.name else self.dataset

    def _check_permissions(self, access: Access) -> None:
        if self._is_folder:
            access.permissions.check_path(self._folder, self.dataset)
        else:
            access.permissions.check_host(HOST, self.dataset)

    def _stream(self, split: str, access: Access) -> Any:
        datasets = _library()
        token = access.reveal(self.token) if self.token else False
        if self._is_folder:
            address = str(self._folder)
        else:
            self._check_commit(token)
            # Without the scheme, a local folder or a reader of that name would win.
            address = f"hf://datasets/{self.dataset}"
        # A separate cache: where the hub fails, the library takes any commit of its own cache.
        found = datasets.load_dataset(
            address,
            self.name or None,
            revision=self.revision or None,
            token=token,
            streaming=True,
            cache_dir=str(access.downloads / "hub" / (self.revision or "folders")),
        )
        if split not in found:
            raise RowError(f"{self._label} has no split {split!r}: {nearest(split, found)}")
        return found[split]

    def _check_commit(self, token: str | bool) -> None:
        """Send one request with a short timeout, so that a missing network fails in seconds."""
        from huggingface_hub import HfApi  # noqa: PLC0415, an optional extra

        found = HfApi(token=token).dataset_info(
            self.dataset, revision=self.revision, timeout=TIMEOUT_SECONDS
        )
        if found.sha != self.revision:
            raise RowError(f"{self.dataset}: the hub gives commit {found.sha} for {self.revision}")


def _library() -> Any:
    """Import ``datasets`` without telemetry, progress bars and long retries."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets  # noqa: PLC0415, an optional extra
        from huggingface_hub import constants  # noqa: PLC0415, an optional extra
    except ImportError:
        raise RowError(
            "datasets of the Hugging Face hub need a library that is not installed: "
            "make extras, or pip install 'refrain-rnn[hub]'"
        ) from None
    if os.environ["HF_HUB_DISABLE_TELEMETRY"].upper() in constants.ENV_VARS_TRUE_VALUES:
        constants.HF_HUB_DISABLE_TELEMETRY = True  # it may have been imported before
    datasets.config.STREAMING_READ_MAX_RETRIES = ATTEMPTS
    datasets.config.STREAMING_OPEN_MAX_RETRIES = ATTEMPTS
    datasets.disable_progress_bars()
    return datasets


@contextmanager
def _explained(label: str, access: Access) -> Iterator[None]:
    """Turn an error into a HubError if a retry may succeed, or into a RowError if not."""
    try:
        yield
    except RowError:
        raise
    except Exception as error:
        message = access.hide(" ".join(str(error).split()) or type(error).__name__).rstrip(".")
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in REFUSALS:
            raise RowError(
                f"the hub does not give {label}: {message}. Look at dataset, revision and token"
            ) from None
        if isinstance(error, UNREADABLE):
            raise RowError(f"{label} cannot be read: {message}") from None
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in NETWORKS:
            advice = (
                "Look at the network and try again, or download the dataset and name its folder"
            )
            raise HubError(
                f"cannot read {label} from the Hugging Face hub: {message}. {advice}"
            ) from None
        raise


def _files_digest(folder: Path) -> str:
    """Digest the names, sizes and times of all files that are not hidden.

    Raises:
        RowError: If there is no such folder.
    """
    if not folder.is_dir():
        raise RowError(f"there is no folder {folder}")
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if (
            path.is_file()
            and not any(part.startswith(".") for part in inside.parts)
            and not is_clutter(str(inside))
        ):
            stat = path.stat()
            times = f"{stat.st_mtime_ns}\n{stat.st_ctime_ns}"
            digest.update(f"{inside}\n{stat.st_size}\n{times}\n{stat.st_ino}\n".encode())
    return digest.hexdigest()[:16]


def _with_class_names(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """Replace class labels, alone or in lists, by their names."""
    for index, name in enumerate(table.column_names):
        feature = features.get(name)
        column = table.column(name)
        of_items: Any = getattr(feature, "feature", None)
        if feature is not None and hasattr(feature, "names"):
            table = table.set_column(index, name, _names(column.combine_chunks(), feature.names))
        elif hasattr(of_items, "names"):
            lists = column.combine_chunks()
            lengths = pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int32())
            offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
            texts = _names(pc.list_flatten(lists), of_items.names)
            table = table.set_column(
                index, name, pa.ListArray.from_arrays(offsets, texts, mask=pc.is_null(lists))
            )
    return table


def _names(numbers: pa.Array, names: Sequence[str]) -> pa.Array:
    numbers = pc.if_else(pc.less(numbers, 0), pa.scalar(None, numbers.type), numbers)
    return pa.array(names, pa.string()).take(numbers)


SOURCE = Hub
