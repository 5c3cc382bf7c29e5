"""What a trial's checkpoint holds: everything in a trainable that carries state, found by itself."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from raise_hpo.trial.trainable import Trainable


def _bare(value: Any) -> Any:
    """The module behind a data-parallel wrapper, so that a checkpoint fits any number of workers."""
    return value.module if isinstance(value, DistributedDataParallel) else value


def _stateful(trainable: Trainable) -> dict[str, Any]:
    """The trainable's own attributes that carry state, by name."""
    return {
        name: _bare(value)
        for name, value in vars(trainable).items()
        if isinstance(value, torch.Generator) or (hasattr(value, "state_dict") and hasattr(value, "load_state_dict"))
    }


def state_of(trainable: Trainable) -> dict[str, Any]:
    """Everything needed to go on with a trial: epoch, and the state of each stateful attribute.

    Random numbers need no state of their own: they are seeded anew each epoch from trial's seed, epoch and rank.
    """
    parts = {
        name: value.get_state() if isinstance(value, torch.Generator) else value.state_dict()
        for name, value in _stateful(trainable).items()
    }
    return {"epoch": trainable.epoch, "parts": parts}


def load_state(trainable: Trainable, state: dict[str, Any]) -> None:
    """Put a state from `state_of` into a trainable that was built with the same configuration.

    Raises:
        KeyError: The trainable has stateful attributes that the checkpoint lacks.
    """
    trainable.epoch = state["epoch"]
    for name, value in _stateful(trainable).items():
        if isinstance(value, torch.Generator):
            value.set_state(state["parts"][name].cpu())
        else:
            value.load_state_dict(state["parts"][name])
