"""The monitor in the dashboard: the state and the page of its flow run."""

from pathlib import Path

import pytest

from tests.flows.test_rollback import markdown
from tests.tasks.growing import ingest, of_files, texts, write

pytestmark = pytest.mark.usefixtures("engine", "mlflow_store")


def test_a_known_delivery_ends_the_flow_run_in_a_warning_state_with_a_page(tmp_path: Path) -> None:
    from flows.monitor import monitor

    dataset = of_files(tmp_path, all="*.csv")
    write(tmp_path / "1.csv", texts(60))
    ingest(dataset)
    write(tmp_path / "2.csv", texts(60))
    state = monitor("made", catalog=str(dataset.file), return_state=True)
    assert (state.name, state.type.value) == ("Stale", "COMPLETED")
    assert "2.csv, and all rows were known before" in state.message
    (page,) = markdown("monitor-made")
    assert "There is no champion yet" in page.data
    assert "**Warning**" in page.data
