"""Count the operations and the bytes of a training step, and what the device could do."""

import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class Bytes(TorchDispatchMode):
    """Add up the tensors that every operation reads and writes, each from and to memory.

    Attributes:
        total: the bytes so far.  Views move none.
    """

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        """Let PyTorch do the operation, and count."""
        result = operation(*arguments, **(options or {}))
        if not operation.is_view:
            tensors = {id(leaf): leaf for leaf in tree_leaves((arguments, options, result))}
            self.total += sum(
                leaf.numel() * leaf.element_size()
                for leaf in tensors.values()
                if isinstance(leaf, torch.Tensor)
            )
        return result


def count(step) -> tuple[int, int]:
    """Return the operations and the bytes of what `step()` computes."""
    with FlopCounterMode(display=False) as operations:
        step()
    with Bytes() as traffic:
        step()
    return operations.get_total_flops(), traffic.total


def peak_operations(device: torch.device, dtype: torch.dtype, side: int = 4096) -> float:
    """Return the operations per second of a large matrix product, the best of five."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / best(lambda: left @ right, device)


def peak_bytes(device: torch.device, size: int = 2**28) -> float:
    """Return the bytes per second of a large copy, read and written, the best of five."""
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / best(lambda: target.copy_(source), device)


def best(work, device: torch.device) -> float:
    """Return the least seconds of five tries."""
    taken = []
    for _ in range(6):
        begin = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begin)
    return min(taken[1:])
