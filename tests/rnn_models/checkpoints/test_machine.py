"""What of a machine is written down beside a training."""

from pathlib import Path

import pytest
import torch

from rnn_models.checkpoints import machine
from rnn_models.checkpoints.machine import describe_machine
from rnn_models.settings import TrainSettings


def test_threads_and_device_are_those_that_compute() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        told = describe_machine(TrainSettings(device="cpu"))
    finally:
        torch.set_num_threads(before)
    assert (told["threads"], told["device"]) == ("3", "cpu")
    assert torch.backends.cpu.get_cpu_capability() in told["instructions"]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("processor : 0\nmodel name\t: Lumo 9 @ 3 GHz\nmodel name : other\n", "Lumo 9 @ 3 GHz"),
        ("cpu : 1\n", ""),
    ],
)
def test_a_processor_has_a_name(
    said: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(said)
    for place in ("cpuinfo", "nowhere"):
        monkeypatch.setattr(machine, "CPUS", tmp_path / place)
        told = describe_machine(TrainSettings(device="cpu"))["processor"]
        assert told
        assert told == named or not named or place == "nowhere"
