"""All-reduces between the nodes of a job: ``python -m raise_hpo.cluster.doctor.collectives BACKEND RANK NODES HOST``.

Run as a process of its own on each node, so that a crash or hang in a communication library costs the doctor nothing.
It prints `Reduced` as JSON.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from raise_hpo.cluster.doctor.facts import Reduced

SIZES = (2**20, 2**26)
_REPEATS = 3
_PATIENCE = datetime.timedelta(seconds=60)
_SECONDS = 150.0


def all_reduce(backend: str, rank: int, nodes: int, host: str, folder: Path) -> Reduced:
    """Time all-reduces in a process of their own.

    Args:
        backend: ``gloo`` or ``nccl``.
        rank: This node's number.
        nodes: How many take part.
        host: The address of the first.
        folder: Where the first one tells its port.
    """
    command = [sys.executable, "-m", "raise_hpo.cluster.doctor.collectives", backend, str(rank), str(nodes), host]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, cwd=folder)
        return Reduced.model_validate_json(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return Reduced(problem=f"it did not end within {_SECONDS:.0f} s")
    except (IndexError, ValueError):
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        return Reduced(problem=f"exit code {done.returncode}: {said[-1]}")


def _measure(backend: str, rank: int, nodes: int, host: str) -> Reduced:
    import torch
    from torch import distributed

    found = Reduced(gpus=torch.cuda.device_count())
    if backend == "nccl" and not found.gpus:
        found.problem = f"torch {torch.__version__} sees no GPU"
    device = torch.device("cuda:0" if backend == "nccl" and found.gpus else "cpu")
    store = _store(backend, rank, nodes, host)
    if backend == "nccl" and _somebody_has_none(store, rank, nodes, found.gpus):
        found.problem = found.problem or "torch sees no GPU on another node"
        return found
    distributed.init_process_group(backend, store=store, rank=rank, world_size=nodes, timeout=_PATIENCE)
    for size in SIZES:
        found.seconds[size] = _seconds(torch.ones(size // 4, device=device))
    distributed.barrier()
    distributed.destroy_process_group()
    return found


def _store(backend: str, rank: int, nodes: int, host: str) -> Any:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    told = Path(f"port-{backend}")
    if rank == 0:
        store = TCPStore(host, 0, nodes, is_master=True, wait_for_workers=False, timeout=_PATIENCE)
        told.with_suffix(".part").write_text(str(store.port))
        os.replace(told.with_suffix(".part"), told)
        return store
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    while not told.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the first node did not begin within {_PATIENCE.total_seconds():.0f} s")
        time.sleep(0.05)
    return TCPStore(host, int(told.read_text()), nodes, is_master=False, timeout=_PATIENCE)


def _somebody_has_none(store: Any, rank: int, nodes: int, gpus: int) -> bool:
    """Whether a node lacks a GPU: then none may begin, for it would wait in vain."""
    store.set(f"gpus-{rank}", str(gpus))
    lacking = any(int(store.get(f"gpus-{other}")) == 0 for other in range(nodes))
    # The first one holds the store: it stays until all have read it.
    store.add("read", 1)
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    while rank == 0 and store.add("read", 0) < nodes and time.monotonic() < deadline:
        time.sleep(0.05)
    return lacking


def _seconds(values: Any) -> float:
    """The least time of an all-reduce, after one to warm up."""
    from torch import distributed

    times = []
    for _ in range(_REPEATS + 1):
        distributed.barrier()
        began = time.perf_counter()
        distributed.all_reduce(values)
        if values.is_cuda:
            import torch

            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[1:])


def main() -> int:
    """Measure as the arguments say, and print it."""
    backend, rank, nodes, host = sys.argv[1:]
    try:
        found = _measure(backend, int(rank), int(nodes), host)
    except (RuntimeError, OSError, ValueError) as error:
        found = Reduced(problem=(str(error).strip().splitlines() or [type(error).__name__])[0])
    print(json.dumps(found.model_dump()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
