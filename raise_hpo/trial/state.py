"""What a trial's checkpoint holds: everything in a trainable that carries state, found by itself."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from raise_hpo.trial.breed import bred
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.trainable import Trainable


def _stateful(trainable: Trainable) -> dict[str, Any]:
    """The trainable's own attributes that carry state, by name; models bare, to fit any number of workers."""
    return {
        name: trainable.bare(value)
        for name, value in vars(trainable).items()
        if isinstance(value, torch.Generator) or (hasattr(value, "state_dict") and hasattr(value, "load_state_dict"))
    }


def state_of(trainable: Trainable) -> dict[str, Any]:
    """Everything needed to go on with a trial: epoch, number of workers, and the state of each stateful attribute.

    Random numbers need no state of their own: they are seeded anew each epoch from trial's seed, epoch and rank.
    """
    parts = {
        name: value.get_state() if isinstance(value, torch.Generator) else value.state_dict()
        for name, value in _stateful(trainable).items()
    }
    return {"epoch": trainable.epoch, "workers": trainable.world_size, "parts": parts}


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


def inherit_state(
    trainable: Trainable, state: dict[str, Any], mate: dict[str, Any] | None = None, mutation: float = 0.0
) -> None:
    """Put the state of another configuration into a trainable: what was learnt, not how.

    Weights, the optimizers' moments and the number of epochs are taken on. The optimizers' settings (learning rate,
    weight decay, momentum, …) stay as built; a learning-rate schedule, as built, is brought to the step at which the
    other one was. One that waits for a plateau starts anew, and so do generators of random numbers. Where the
    trainable's model is larger than the other one's, `Trainable.grown` says what its weights are, and moments of the
    weights that have another shape start anew.

    Args:
        trainable: The trainable, as built.
        state: The other configuration's state.
        mate: The state of a third one, from which a part of the weights is taken: `raise_hpo.trial.breed.crossed`.
        mutation: How much noise the weights get: `raise_hpo.trial.breed.mutated`.

    Raises:
        TrialFailure: A state does not fit, because the configurations make models of different shapes.
    """
    try:
        own = _stateful(trainable)
        networks = [name for name, value in own.items() if isinstance(value, torch.nn.Module)]
        parts = state["parts"] | bred(
            {name: state["parts"][name] for name in networks}, mate and mate["parts"], mutation, trainable.place.seed
        )
        _take_on(own, parts | _grown(trainable, {name: parts[name] for name in networks}))
    except (KeyError, RuntimeError, ValueError) as error:
        raise TrialFailure(
            "error",
            f"the checkpoint of this trial's parent does not fit its own configuration ({_detail(error)}); "
            "leave what shapes the model out of what the scheduler's heirs may change",
        ) from None
    trainable.epoch = state["epoch"]


def _grown(trainable: Trainable, networks: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The states of networks that are to become larger, as the trainable makes them."""
    shapes = {name: _shapes(trainable.bare(getattr(trainable, name)).state_dict()) for name in networks}
    return {
        name: dict(trainable.grown(name, state)) for name, state in networks.items() if _shapes(state) != shapes[name]
    }


def _shapes(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "shape", None) for name, value in state.items()}


def _take_on(own: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    schedules = {name: value for name, value in own.items() if isinstance(value, LRScheduler)}
    for name, value in own.items():
        if isinstance(value, torch.optim.Optimizer):
            _load_moments(value, parts[name])
        elif name not in schedules and not isinstance(value, torch.Generator):
            value.load_state_dict(parts[name])
    for name, schedule in schedules.items():
        _advance(schedule, _steps(parts[name]))


def _load_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    built = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict({**saved, "state": _fitting(saved["state"], optimizer)})
    for group, settings in zip(optimizer.param_groups, built, strict=True):
        parameters = group["params"]
        group.clear()
        group.update(settings, params=parameters)


def _fitting(moments: Mapping[int, Any], optimizer: torch.optim.Optimizer) -> dict[int, Any]:
    """The moments of the parameters that have the shape that they had; the others' start anew."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def fits(number: int, kept: Mapping[str, Any]) -> bool:
        tensors = [value for value in kept.values() if isinstance(value, torch.Tensor) and value.dim()]
        return number >= len(parameters) or all(tensor.shape == parameters[number].shape for tensor in tensors)

    return {number: kept for number, kept in moments.items() if fits(number, kept)}


def _advance(schedule: LRScheduler, steps: int) -> None:
    """Step a new schedule so often; its parameters and the base learning rate may be other than the parent's."""
    if isinstance(schedule, ReduceLROnPlateau):
        return
    with warnings.catch_warnings():
        # Torch expects a step of the optimizer before the schedule's first; here the parent has made them.
        warnings.simplefilter("ignore")
        for _ in range(steps):
            schedule.step()


def _steps(state: Mapping[str, Any]) -> int:
    """How often a schedule was stepped; one that is made of several may have only their counts."""
    inner = state.get("_schedulers", ())
    return int(state["last_epoch"]) if "last_epoch" in state else max(map(_steps, inner), default=0)


def _detail(error: Exception) -> str:
    """What did not fit: torch's messages name it in the line after a general one."""
    if isinstance(error, KeyError):
        return f"it holds no {error}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__).rstrip(".")
