"""One rank of a worker group: a process that outlives trials and keeps interpreter, process group, device and data."""

from __future__ import annotations

import datetime
from contextlib import AbstractContextManager
from pathlib import Path

import ray
import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.make import make_runner
from raise_hpo.trial.record import on_record, write_whole
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.spec import TrialSpec

_PATIENCE = datetime.timedelta(minutes=5)


class Worker:
    """Trains one trial after another as one rank of a group, inside a Ray actor.

    Args:
        rank: This worker's number in the group.
        world_size: Number of workers in the group.
        threads: CPU threads to compute with.
    """

    def __init__(self, rank: int, world_size: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.rank = rank
        self.world_size = world_size
        self.device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self._runner: TrialRunner | None = None
        self._spec: TrialSpec | None = None
        self._store: TCPStore | None = None

    def node(self) -> str:
        """The address of this worker's node."""
        return str(ray.util.get_node_ip_address())

    def host_store(self) -> tuple[str, int]:
        """Open the group's rendezvous on rank 0, on a port that the system picks; its address."""
        host = ray.util.get_node_ip_address()
        self._store = TCPStore(host, 0, self.world_size, is_master=True, wait_for_workers=False, timeout=_PATIENCE)
        return host, self._store.port

    def join(self, host: str, port: int) -> None:
        """Join the process group: NCCL on GPUs, gloo on CPUs."""
        store = self._store or TCPStore(host, port, self.world_size, is_master=False, timeout=_PATIENCE)
        backend = "nccl" if self.device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=self.rank, world_size=self.world_size, timeout=_PATIENCE)

    def begin(self, spec: TrialSpec) -> None:
        """Build a trial's model, and load its checkpoint if it has one; the trial before is forgotten."""
        self._runner, self._spec = None, spec
        _free_device_memory(self.device)
        with self._on_record():
            self._runner = make_runner(spec, self.rank, self.world_size, self.device)
            if spec.checkpoint:
                _load(self._runner, spec, (spec.folder / spec.checkpoint).read_bytes())

    def epoch(self) -> tuple[int, dict[str, float], float | None]:
        """Train and validate an epoch: its number from 1, the metrics of all workers, the time of its first batch."""
        runner = self._running()
        with self._on_record():
            runner.trainable.first_batch_at = None
            metrics = runner.epoch()
        return runner.trainable.epoch, metrics, runner.trainable.first_batch_at

    def save(self, path: Path) -> None:
        """Write the trial's state to a file, whole or not at all."""
        with self._on_record():
            write_whole(path, self._running().save())

    def _running(self) -> TrialRunner:
        if self._runner is None:
            raise TrialFailure("killed", "the worker has no trial; its process was restarted")
        return self._runner

    def _on_record(self) -> AbstractContextManager[None]:
        assert self._spec is not None
        return on_record(self._spec.log_file, self.rank)


def _load(runner: TrialRunner, spec: TrialSpec, checkpoint: bytes) -> None:
    if spec.inherits:
        runner.inherit(checkpoint, (spec.folder / spec.mate).read_bytes() if spec.mate else None, spec.mutation)
    else:
        runner.load(checkpoint)


def _free_device_memory(device: torch.device) -> None:
    """Give the last trial's GPU memory back, so that it is not counted against the next one."""
    if device.type == "cuda":
        import gc

        gc.collect()
        torch.cuda.empty_cache()
