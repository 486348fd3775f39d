"""Every file of the store compared with its recorded size and digest; damaged ones set aside."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.ingestion.reference_snapshot import last_accepted
from tasks.ingestion.removals import own_lines
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.maintenance.prune import KINDS
from tasks.promotion.ledger import Ledger, give_up, ledger_names
from tasks.registry.mlflow_client import VersionInfo
from tasks.registry.versions import fault_of_version, model_names, versions_of
from tasks.store.artifact_base import Artifact
from tasks.store.artifacts import Promotion
from tasks.store.damaged import set_aside
from tasks.store.growing_files import CONTENTS, read_lines, seal_path
from tasks.store.home import home
from tasks.store.manifests import check_files
from tasks.store.sealed import DamagedError

AGAIN = "the next flow run that needs it sets it aside and makes it again"
READERS: dict[str, Callable[[Path], object]] = {
    "snapshots": lambda path: SnapshotLog.of(path.stem),
    "accepted": lambda path: last_accepted(path.stem),
    "slots": read_lines,
    "notices": read_lines,
    "removals": own_lines,
}


@dataclass(frozen=True)
class Damage:
    """A damaged file or folder, the fault, and what to do."""

    path: Path
    fault: str
    remedy: str


def find_damages(
    begin: Callable[[int, int], None] = lambda done, total: None,
    *,
    is_thorough: bool = True,
    with_versions: bool = True,
) -> list[Damage]:
    """Check all artifacts, logs, removal lists, ledgers and registered versions.

    Args:
        begin: Called before each artifact and version, with the numbers of those done and of all.
        is_thorough: Read large files too; otherwise their size counts.
        with_versions: Check those that are registered, which needs MLflow.
    """
    folders = [(kind, folder) for kind in (*KINDS, Promotion) for folder in _folders(kind)]
    names = model_names() if with_versions else []
    versions = [info for name in names for info in versions_of(name)]
    total = len(folders) + len(versions)
    found: list[Damage] = []
    for number, (kind, folder) in enumerate(folders):
        begin(number, total)
        found += _of_artifact(kind, folder, is_thorough=is_thorough)
    found += [*_lists(), *_ledgers()]
    for number, info in enumerate(versions):
        begin(len(folders) + number, total)
        found += _of_version(info, is_thorough=is_thorough)
    return found


def set_damages_aside(damages: list[Damage]) -> list[Path]:
    """Move damaged files and folders away, so that flow runs go on without them.

    Returns:
        Those that were moved. A registered version stays: MLflow names its files.
    """
    moved = [damage.path for damage in damages if _set_aside(damage)]
    for name in ledger_names():
        moved += give_up(name)
    return moved


def _set_aside(damage: Damage) -> bool:
    if not damage.path.is_relative_to(home()) or damage.path.parent.parent.name == "ledger":
        return False
    if damage.path.parent.name in READERS and not damage.path.is_dir():
        seal_path(damage.path).unlink(missing_ok=True)
    return set_aside(damage.path, damage.fault) is not None or not damage.path.exists()


def _folders(kind: type[Artifact]) -> list[Path]:
    return sorted((home() / kind.KIND).glob("*/"))


def _of_artifact(kind: type[Artifact], folder: Path, *, is_thorough: bool) -> Iterator[Damage]:
    fault = _fault_of(kind, folder, is_thorough=is_thorough)
    if fault:
        yield Damage(folder, fault, AGAIN)


def _fault_of(kind: type[Artifact], folder: Path, *, is_thorough: bool) -> str:
    dataset, _, key = folder.name.rpartition("-")
    try:
        if kind.listed(dataset, key):
            check_files(folder, is_thorough=is_thorough)
    except DamagedError as error:
        return str(error)
    return ""


def _lists() -> Iterator[Damage]:
    for name in CONTENTS:
        files = (path for path in sorted((home() / name).glob("*")) if path.is_file())
        for path in sorted({path.with_name(path.name.removesuffix(".seal")) for path in files}):
            try:
                READERS[name](path)
            except DamagedError as error:
                yield Damage(path, str(error), "")  # the message has the remedy


def _ledgers() -> Iterator[Damage]:
    for name in ledger_names():
        try:
            Ledger.of(name)
        except DamagedError as error:
            yield Damage(home() / "ledger" / name / "lines", str(error), "")


def _of_version(info: VersionInfo, *, is_thorough: bool) -> Iterator[Damage]:
    fault = fault_of_version(info, is_thorough=is_thorough)
    if fault:
        name = str(info.name)
        yield Damage(
            Path(f"models:/{name}/{info.version}"),
            f"{name} version {info.version} is damaged: {fault}",
            f"refrain run {name} restores it if its rows, settings and code are unchanged; "
            f"else choose another version: refrain rollback {name}",
        )
