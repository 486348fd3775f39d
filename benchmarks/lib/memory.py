"""What memory a process holds."""

from pathlib import Path


def memory_mib(name: str) -> float:
    """Read this process' memory from Linux: VmRSS now, VmHWM the peak since its reset.

    Not getrusage's: that remembers the parent, whose size a child has until it starts its program.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].split()[0]) / 1024
