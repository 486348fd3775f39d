"""The load of the machine, measured by the training itself."""

import threading

import pytest

from tasks.registry import system_load
from tasks.registry.system_load import SystemLoad


def test_the_load_is_measured_at_growing_intervals_and_by_no_thread(
    store: object, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(system_load, "home", lambda: tmp_path)
    clock = [0.0]
    monkeypatch.setattr(system_load.time, "monotonic", lambda: clock[0])
    before = threading.active_count()
    load = SystemLoad()
    times = []
    for now in range(86_400):
        clock[0] = float(now)
        found = load.measured()
        if found:
            times.append(now)
            assert {name.partition("/")[0] for name in found} == {"system"}
            assert found["system/peak_memory_megabytes"] > 1
    assert times[0] == 2
    assert 300 < len(times) < 1000
    assert threading.active_count() == before
