"""Deployments: one flow run for each dataset stands for the slots that ``up`` missed."""

from typing import Any

from refrain.deployments import Server, collapse_missed


class Recorded(Server):
    """A server that has some flow runs, and records the states that are set."""

    def __init__(self, runs: list[dict[str, Any]]) -> None:
        super().__init__("http://127.0.0.1:1/api")
        self.__dict__.update(runs=runs, states={})

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if path == "flow_runs/filter":
            return self.__dict__["runs"]
        self.__dict__["states"][path.split("/")[1]] = body["state"]
        return None


def run(name: str, dataset: str, day: int, *, is_of_schedule: bool = True) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "deployment_id": f"of {dataset}",
        "parameters": {"dataset": dataset},
        "auto_scheduled": is_of_schedule,
        "expected_start_time": f"2026-11-0{day}T02:00:00Z",
    }


def test_the_last_missed_flow_run_of_each_dataset_stays() -> None:
    runs = [run("a", "reviews", 1), run("b", "names", 1), run("c", "reviews", 2)]
    server = Recorded([*runs, run("d", "reviews", 3)])
    assert list(collapse_missed(server)) == [
        "reviews: 3 slots since 2026-11-01 02:00 UTC, one flow run starts now",
        "names: 1 slot since 2026-11-01 02:00 UTC, one flow run starts now",
    ]
    states = server.__dict__["states"]
    assert set(states) == {"a", "c"}
    assert states["a"]["name"] == "Missed"
    assert "d stands for all missed slots" in states["a"]["message"]


def test_flow_runs_that_a_person_scheduled_stay() -> None:
    byhand = [run(name, "reviews", 1, is_of_schedule=False) for name in ("a", "b")]
    server = Recorded(byhand)
    assert list(collapse_missed(server)) == []
    assert server.__dict__["states"] == {}
