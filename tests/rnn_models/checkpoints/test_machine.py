"""The machine record of a training."""

from pathlib import Path

import pytest
import torch

from rnn_models.checkpoints import machine
from rnn_models.checkpoints.machine import describe_machine
from rnn_models.settings import TrainSettings


def test_machine_record_has_the_threads_and_device_in_use() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        report = describe_machine(TrainSettings(device="cpu"))
    finally:
        torch.set_num_threads(before)
    assert (report["threads"], report["device"]) == ("3", "cpu")
    assert torch.backends.cpu.get_cpu_capability() in report["instructions"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("processor : 0\nmodel name\t: Lumo 9 @ 3 GHz\nmodel name : other\n", "Lumo 9 @ 3 GHz"),
        ("cpu : 1\n", ""),
    ],
)
def test_processor_has_a_name(
    content: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(content)
    for file in ("cpuinfo", "nowhere"):
        monkeypatch.setattr(machine, "CPUS", tmp_path / file)
        report = describe_machine(TrainSettings(device="cpu"))["processor"]
        assert report
        assert report == expected or not expected or file == "nowhere"
