"""Several workers of a trial, each a process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp

_HEAVY = ["torch._dynamo", "raise_hpo.trial.runner", "trainables.lartpc.trainable", "trainables.ucluster.trainable"]


def run_ranks(worker: Callable[..., None], *arguments: Any, count: int = 2) -> None:
    """Run `worker(rank, *arguments)` in as many processes, forked from one that has imported what takes seconds.

    That one is new and has no threads, which this process may have: it cannot be forked safely.
    """
    multiprocessing.set_forkserver_preload(_HEAVY)
    mp.start_processes(worker, arguments, nprocs=count, start_method="forkserver")
