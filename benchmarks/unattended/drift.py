"""Alarms of the monitor: how many are false, and how many injected drifts it finds.

``python -m benchmarks.unattended.drift`` compares samples of the catalog's datasets, whose
snapshots it makes where the store lacks them. ``--dry`` writes no figures; ``--num N`` changes
the number of comparisons without drift, ``--seeds N`` that of each injected drift; names of
datasets choose some.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from benchmarks.lib.figures import Figure, require_clean_tree, write
from benchmarks.reliability.outcome import fine_figure
from benchmarks.unattended.injected_drift import DRIFTS, LABELS, drifted_table
from data.catalog.catalog import find_dataset, read_catalog
from data.rows.splits import SPLITS
from tasks.ingestion.snapshot import make_snapshot
from tasks.monitoring.drift_measures import Samples, judged, measure_drift
from tasks.monitoring.monitor_settings import MonitorSettings

COMMAND = "python -m benchmarks.unattended.drift"
POOL_ROWS = 8_000
SIZES = (300, 1_000)  # new rows of a comparison, by turns
SETTINGS = MonitorSettings()


def pool_of(name: str) -> pa.Table:
    """Read some rows of a dataset, of all splits together, in an order of chance."""
    snapshot, _ = make_snapshot(find_dataset(name))
    table = pa.concat_tables(snapshot.table(split) for split in SPLITS)
    order = np.random.default_rng(0).permutation(table.num_rows)[:POOL_ROWS]
    return table.take(pa.array(order))


def samples_of(pool: pa.Table, num: int, seed: int) -> Samples:
    """Draw two samples of one pool; the rest are known rows."""
    order = pa.array(np.random.default_rng(seed).permutation(pool.num_rows))
    num = min(num, pool.num_rows // 4)
    return Samples(
        pool.take(order[:num]), pool.take(order[num : 2 * num]), pool.take(order[2 * num :])
    )


def found_in(samples: Samples, seed: int) -> list[str]:
    """Name what the monitor calls drifted."""
    measures = judged(measure_drift(samples, seed=seed), SETTINGS)
    return [each.name for each in measures if each.is_drifted]


def foreign_of(name: str, pools: dict[str, pa.Table]) -> pa.Table:
    """Choose the dataset whose rows are foreign: the next one with the same columns, or any."""
    ours = pools[name].column_names
    same = [each for each in pools if each != name and pools[each].column_names == ours]
    if same:
        return pools[same[0]]
    other = next(each for each in pools if each != name)
    texts = next(each for each in pools[other].column_names if each not in LABELS)
    column = pools[other][texts]
    flat = [row if isinstance(row, str) else "".join(row) for row in column.to_pylist()]
    side = next(each for each in ours if each not in LABELS)
    return pa.table({side: flat})


def false_alarms(pools: dict[str, pa.Table], num: int) -> list[tuple[str, list[str]]]:
    """Compare samples without drift; the name of each dataset with what was called drifted."""
    names = list(pools)
    found = []
    for index in range(num):
        name = names[index % len(names)]
        size = SIZES[index // len(names) % len(SIZES)]
        alarms = found_in(samples_of(pools[name], size, 1_000 + index), index)
        found.append((name, alarms))
        if alarms:
            print(f"false: {name}, {size} rows: {', '.join(alarms)}", flush=True)
    return found


def injected(pools: dict[str, pa.Table], num_seeds: int) -> Iterator[tuple[str, str, bool]]:
    """Inject each drift into each dataset, and tell whether the monitor found it."""
    for name, pool in pools.items():
        others = foreign_of(name, pools)
        for drift in DRIFTS:
            if drift.name == "other labels" and not set(LABELS) & set(pool.column_names):
                continue
            for seed in range(num_seeds):
                samples = samples_of(pool, SIZES[-1], seed)
                random = np.random.default_rng(seed)
                new = drifted_table(samples.new, others, drift, random)
                alarms = found_in(replace(samples, new=new), seed)
                if not alarms:
                    print(f"missed: {drift.name} ({drift.size}) in {name}", flush=True)
                yield name, drift.name, bool(alarms)


def measure(names: list[str], num: int, num_seeds: int) -> list[Figure]:
    """Measure both shares."""
    pools = {name: pool_of(name) for name in names or read_catalog()}
    started = time.monotonic()
    clean = false_alarms(pools, num)
    seconds = (time.monotonic() - started) / max(1, len(clean))
    drifts = list(injected(pools, num_seeds))
    by_kind = Counter(kind for _, kind, is_found in drifts if is_found)
    all_of = Counter(kind for _, kind, _ in drifts)
    sizes = {drift.name: drift.size for drift in DRIFTS}
    kinds = ", ".join(f"{k} ({sizes[k]}) {by_kind[k]} of {all_of[k]}" for k in all_of)
    rows = " and ".join(map(str, SIZES))
    num_false = sum(bool(alarms) for _, alarms in clean)
    return [
        fine_figure(
            "drift_false_alarms",
            num_false / max(1, len(clean)),
            unit="of comparisons",
            goal=0.05,
            better="lower",
            command=COMMAND,
            note=f"{num_false} of {len(clean)} comparisons without drift, of {rows} rows from "
            f"{len(pools)} datasets, {seconds:.1f} s each",
        ),
        fine_figure(
            "drift_found",
            sum(by_kind.values()) / max(1, len(drifts)),
            unit="of drifts",
            goal=0.9,
            better="higher",
            command=COMMAND,
            note=f"in {SIZES[-1]:,} new rows: {kinds}",
        ),
    ]


def main() -> None:
    """Measure, print the figures, and write them; with ``--dry`` only print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*")
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--num", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=4)
    chosen = parser.parse_args()
    if not chosen.dry:
        require_clean_tree()
    figures = measure(chosen.datasets, chosen.num, chosen.seeds)
    for each in figures:
        print(f"{each.figure}: {each.value:g} {each.unit} (goal {each.goal:g}); {each.note}")
    if not chosen.dry:
        write("unattended", figures)


if __name__ == "__main__":
    main()
