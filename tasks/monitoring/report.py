"""The report of the monitor: an artifact, made once for a champion, a snapshot and predictions."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from tasks.store.artifact_base import Artifact


@dataclass(frozen=True, kw_only=True)
class Monitoring(Artifact):
    """What the monitor found about a champion's data.

    ``num_new`` counts the rows newer than the champion's snapshot, ``compared`` those that were
    compared. ``measures`` are of new rows, ``logged`` of predictions. ``score`` is the
    champion's score on new rows; empty if they are too few. ``duplicates`` has their share in
    the champion's snapshot and now.
    """

    KIND: ClassVar[str] = "monitoring"
    version: str
    snapshot: str
    champion_snapshot: str
    num_new: int
    compared: int
    measures: list[dict[str, Any]] = field(default_factory=list)
    logged: list[dict[str, Any]] = field(default_factory=list)
    score: dict[str, Any] = field(default_factory=dict)
    duplicates: dict[str, float] = field(default_factory=dict)

    @property
    def drifted(self) -> list[str]:
        """Names of what drifted."""
        found = [each["name"] for each in self.measures if each["is_drifted"]]
        return [*found, *(f"predictions: {e['name']}" for e in self.logged if e["is_drifted"])]

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if not self.version:
            return "there is no champion yet"
        num = f"{self.num_new:,}" if self.num_new else "no"
        rows = f"{num} rows are newer than the snapshot of champion {self.version}"
        if self.drifted:
            return f"{rows}; drifted: {', '.join(self.drifted)}"
        if self.measures or self.logged:
            return f"{rows}; no drift"
        return f"{rows}: too few to compare" if self.num_new else rows

    @property
    def metrics(self) -> dict[str, float]:
        """The points of the metrics in MLflow."""
        found = {"new_rows": float(self.num_new), "drifted": float(len(self.drifted))}
        for where, measures in (("rows", self.measures), ("predictions", self.logged)):
            for each in measures:
                name = each["name"].replace(" ", "_")
                found[f"{where}/{name}_{each['kind']}"] = each["value"]
        if self.duplicates:
            found["rows/duplicates"] = self.duplicates["now"]
        if self.score:
            found["rows/champion_score"] = self.score["new"]["value"]
        return found
