"""Too little disk or memory, and ports that another program holds."""

import socket
from pathlib import Path

import pytest

from refrain.doctor import machine
from refrain.doctor.machine import check_disk, check_memory, check_ports, free_memory
from refrain.doctor.surroundings import Surroundings, UpState


def test_little_disk_and_memory_are_findings(store: Path) -> None:
    (disk,) = check_disk(Surroundings(disk_gigabytes=1e9))
    (memory,) = check_memory(Surroundings(memory_gigabytes=1e9))
    assert "GB left, less than 1e+09 GB" in disk.text
    assert "GB of memory are free" in memory.text
    assert list(check_disk(Surroundings(disk_gigabytes=0))) == []


def test_a_container_has_less_memory_than_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 300\ninactive_file 250\n")
    assert free_memory() == 350
    (tmp_path / "memory.max").write_text("max\n")
    assert (free_memory() or 0) > 1e6


def test_a_port_of_the_last_up_that_another_program_holds_is_found() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        addresses = {"Prefect dashboard": f"http://127.0.0.1:{port}"}
        seen = Surroundings()
        seen.__dict__["up"] = UpState(addresses, None, is_running=False)
        found = [each for each in check_ports(seen) if f"port {port}" in each.text]
        seen.__dict__["up"] = UpState(addresses, 1, is_running=True)
        assert list(check_ports(seen)) == []
    assert "used by another program" in found[0].text
    assert "--prefect-port" in found[0].remedy
