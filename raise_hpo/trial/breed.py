"""Weights of two trials crossed, and weights mutated: what the scheduler `genetic` asks of its heirs' workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

import torch
from torch import Tensor

State = Mapping[str, Tensor]
"""A module's state dict."""


def bred(
    networks: Mapping[str, State], mates: Mapping[str, State] | None, mutation: float, seed: int
) -> dict[str, State]:
    """Cross networks with a mate's, and mutate them.

    Args:
        networks: The states of a trial's networks, by name.
        mates: Those of the mate, others among them; None to cross nothing.
        mutation: The share for `mutated`.
        seed: Decides which unit is whose, and the noise; alike for networks of the same shape, such as a mean of the
            weights so far.

    Raises:
        KeyError: The mate lacks a network.
        ValueError: The mate's networks have other shapes.
    """
    found = dict(networks)
    for name, state in networks.items():
        generator = torch.Generator().manual_seed(seed)
        if mates is not None:
            found[name] = crossed(state, mates[name], generator)
        if mutation:
            found[name] = mutated(found[name], mutation, generator)
    return found


def crossed(first: State, second: State, generator: torch.Generator) -> dict[str, Tensor]:
    """Take each unit of a network from one of two of the same shape (Montana & Davis, IJCAI 1989).

    A unit is what makes one output of a layer: a row of its weights and its bias. The units of a normalisation go with
    those of the layer before it. What is not made of units, such as counters, is the first network's.

    Args:
        first: The state of one network.
        second: That of the other.
        generator: Draws which unit is whose, each with the same probability.

    Raises:
        ValueError: The states differ in their names or shapes.
    """
    for name, tensor in first.items():
        if name not in second or second[name].shape != tensor.shape:
            raise ValueError(f"{name} is not the same in both")
    found, of_second = dict(first), torch.zeros(0, dtype=torch.bool)
    for _, names in groupby(first, _module):
        layer = list(names)
        units = _units(first[name] for name in layer)
        if units != len(of_second) or any(first[name].dim() > 1 for name in layer):
            of_second = torch.rand(units, generator=generator) < 0.5
        for name in layer:
            found[name] = _taken(first[name], second[name], of_second)
    return found


def mutated(state: State, share: float, generator: torch.Generator) -> dict[str, Tensor]:
    """Add noise to the weights of a network's layers, not to biases and normalisations.

    Args:
        state: The network's state.
        share: The noise's standard deviation, as a share of the root mean square of a layer's weights.
        generator: Draws the noise.
    """
    return {name: _noisy(tensor, share, generator) for name, tensor in state.items()}


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _units(tensors: Iterable[Tensor]) -> int:
    """The outputs of a layer: the length of the largest of its tensors."""
    largest = max(tensors, key=lambda tensor: (tensor.dim(), tensor.numel()))
    return len(largest) if largest.dim() else 0


def _taken(first: Tensor, second: Tensor, of_second: Tensor) -> Tensor:
    if not first.dim() or len(first) != len(of_second):
        return first
    chosen = of_second.to(first.device).view(-1, *[1] * (first.dim() - 1))
    return torch.where(chosen, second.to(first.device), first)


def _noisy(tensor: Tensor, share: float, generator: torch.Generator) -> Tensor:
    if tensor.dim() < 2 or not tensor.is_floating_point():
        return tensor
    # Drawn on the CPU, so that the numbers do not depend on the device.
    noise = torch.randn(tensor.shape, generator=generator).to(tensor)
    return tensor + share * tensor.square().mean().sqrt() * noise
