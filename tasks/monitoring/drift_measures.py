"""Two samples of rows compared, and whether they drifted: more than by chance, and by enough."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from data.ingestion.row_codes import word_codes
from rnn_models.evaluation.distribution_shift import Shift, compare_features
from rnn_models.evaluation.domain_classifier import separate
from rnn_models.evaluation.significance import holm
from tasks.monitoring.monitor_settings import MonitorSettings
from tasks.monitoring.row_features import features_of, sides_of

CLASSIFIER = "classifier"


@dataclass(frozen=True)
class Samples:
    """Rows to compare, with the same columns.

    ``known`` are further rows of the reference, whose words count as known.
    """

    old: pa.Table
    new: pa.Table
    known: pa.Table


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How far one feature moved.

    ``kind`` is ``psi``, ``auc`` or ``loss`` (of the champion's score, in points), ``value`` its
    value and ``by_chance`` the one that equal samples exceed with a probability of 5 %.
    ``distance`` is the Jensen-Shannon distance.
    """

    name: str
    kind: str
    value: float
    by_chance: float
    distance: float | None = None
    distance_by_chance: float | None = None
    p_value: float
    is_drifted: bool = False


def measure_drift(samples: Samples, *, seed: int = 0) -> list[Measure]:
    """Compare two samples of rows, feature by feature and with a classifier.

    Args:
        samples: The rows.
        seed: Seed of the permutations and of the classifier's division.
    """
    columns = samples.new.column_names
    both = pa.concat_tables([samples.old.select(columns), samples.new], promote_options="default")
    is_new = np.arange(both.num_rows) >= samples.old.num_rows
    shifts = compare_features(features_of(both, samples.known), is_new, seed=seed)
    found = [_of_shift(shift) for shift in shifts]
    for side in list(sides_of(both))[:1]:
        codes = word_codes(both[side])
        separation = separate(codes.ids, codes.offsets, is_new, seed=seed)
        found.append(
            Measure(
                name=CLASSIFIER,
                kind="auc",
                value=separation.auc,
                by_chance=separation.by_chance,
                p_value=separation.p_value,
            )
        )
    return found


def _of_shift(shift: Shift) -> Measure:
    """Make a measure of a shift."""
    return Measure(
        name=shift.name,
        kind="psi",
        value=shift.psi,
        by_chance=shift.psi_by_chance,
        distance=shift.distance,
        distance_by_chance=shift.distance_by_chance,
        p_value=shift.p_value,
    )


def judged(found: list[Measure], settings: MonitorSettings) -> list[Measure]:
    """Correct the p-values for their number, by Holm's method, and mark what drifted."""
    lowest = {"psi": settings.min_psi, "auc": settings.min_auc, "loss": settings.min_loss}
    likely = holm(np.array([each.p_value for each in found])).tolist()
    return [
        replace(
            each,
            p_value=p_value,
            is_drifted=p_value <= settings.alpha and each.value >= lowest[each.kind],
        )
        for each, p_value in zip(found, likely, strict=True)
    ]
