"""The function that Ray Train runs on every worker of a training."""

from __future__ import annotations

import os
import socket
from typing import Any

import ray.train
import ray.train.torch
import torch
import torch.distributed as dist

from raise_hpo.train.order import TrainingOrder
from raise_hpo.train.stretch import Stretch
from raise_hpo.trial.make import make_runner
from raise_hpo.trial.record import on_record
from raise_hpo.trial.spec import NODE


def train(config: dict[str, Any]) -> None:
    """Be one worker of a training: Ray Train has made the process group already.

    Args:
        config: ``order``, a `TrainingOrder`.

    Raises:
        TrialFailure: The trainable raised; Ray Train starts all workers again.
    """
    order: TrainingOrder = config["order"]
    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(order.threads)
    with on_record(order.folder.log, rank):
        runner = make_runner(order.spec, rank, workers, ray.train.torch.get_device())
        Stretch(order, runner, _nodes(workers)).run()


def _nodes(workers: int) -> tuple[str, ...]:
    """The names of all workers' nodes, each once."""
    mine = os.environ.get(NODE, socket.gethostname())
    names: list[Any] = [mine] * workers
    if workers > 1:
        dist.all_gather_object(names, mine)
    return tuple(dict.fromkeys(names))
