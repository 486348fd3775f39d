"""Memory of the GPU that this process uses."""

import torch


def peak_gpu_bytes() -> int:
    """Return the most memory that tensors have had on the GPU; 0 without one."""
    is_used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.max_memory_allocated() if is_used else 0
