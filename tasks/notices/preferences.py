"""What a user wants to receive, and when: a variable of Prefect."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.variables import Variable

from tasks.notices.notice import OUTCOMES, Notice

VARIABLE = "refrain_notices"


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """Kinds of notices that are not sent, and the hour of a digest; None sends each at once."""

    skip: tuple[str, ...] = ()
    digest_hour: int | None = None  # UTC

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: If there is no such kind or hour.
        """
        if unknown := set(self.skip) - set(OUTCOMES):
            raise ValueError(
                f"notices: there is no kind {', '.join(sorted(unknown))}; "
                f"expected some of {', '.join(OUTCOMES)}"
            )
        if self.digest_hour is not None and not 0 <= self.digest_hour < 24:
            raise ValueError(f"notices: the hour must be from 0 to 23, got {self.digest_hour}")

    def is_due(self, notice: Notice, now: datetime) -> bool:
        """Whether a notice is to be sent now: at once, or after the hour of the digest."""
        if self.digest_hour is None:
            return True
        last = now.astimezone(UTC).replace(hour=self.digest_hour, minute=0, second=0, microsecond=0)
        if last > now:
            last -= timedelta(days=1)
        return datetime.fromisoformat(notice.time) < last


def read_preferences() -> Preferences:
    """Read the variable; without one, all notices are sent at once.

    Raises:
        ValueError: If it has other names or values.
    """
    found: Any = Variable.get(VARIABLE, default={})
    if not isinstance(found, Mapping) or set(found) - {"skip", "digest_hour"}:
        raise ValueError(
            f"the Prefect variable {VARIABLE} must have skip and digest_hour only, got {found!r}"
        )
    return Preferences(skip=tuple(found.get("skip", ())), digest_hour=found.get("digest_hour"))


def write_preferences(chosen: Preferences) -> None:
    """Store the preferences."""
    content = asdict(chosen) | {"skip": list(chosen.skip)}
    Variable.set(VARIABLE, content, overwrite=True)
