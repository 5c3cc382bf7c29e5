"""Makes the runner of what a spec describes: the trainable's class, its configuration, and one worker's place."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from raise_hpo.names import resolve_trainable
from raise_hpo.space import flatten, nest
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.spec import NODE_CACHE, TrialSpec
from raise_hpo.trial.trainable import Place, Trainable
from raise_hpo.workers import SEARCHED


def make_runner(spec: TrialSpec, rank: int = 0, world_size: int = 1, device: torch.device | None = None) -> TrialRunner:
    """Build a spec's model on one worker; its checkpoint is not loaded.

    Args:
        spec: What to train.
        rank: This worker's number.
        world_size: Number of workers; with several, the process group is there.
        device: The device that this worker computes on; the CPU if None.
    """
    trainable = _trainable_class(spec)
    own = {name: value for name, value in spec.config.items() if name not in SEARCHED}
    config = nest({**flatten(dict(trainable.defaults)), **flatten(dict(spec.fixed)), **own})
    place = Place(
        rank=rank,
        world_size=world_size,
        device=device or torch.device("cpu"),
        seed=spec.seed * 1_000_003 + spec.trial,
        precision=spec.precision,
        batch=spec.batch,
        data=spec.data,
        cache=Path(os.environ[NODE_CACHE]) if NODE_CACHE in os.environ else None,
        parts=spec.parts,
    )
    return TrialRunner(trainable, config, place, spec.lr_scaling)


def _trainable_class(spec: TrialSpec) -> type[Trainable]:
    if isinstance(spec.trainable, str):
        found: type[Trainable] = resolve_trainable(spec.trainable, spec.import_from)
        return found
    return spec.trainable
