"""Net2Net: a wider network that computes what a narrower one did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

_Convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_Normalisation = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Units(NamedTuple):
    """How the units of a widened layer come from those of the narrower one.

    Attributes:
        of: ``(units,)``, the unit that each is a copy of.
        share: ``(units,)``, its share of what that one gave to the layers that follow.
    """

    of: Tensor
    share: Tensor


def layers_of(network: nn.Sequential, prefix: str) -> list[str]:
    """The names of a sequence's layers that have weights, as `widened` takes them."""
    kinds = (nn.Linear, *_Convolution, *_Normalisation)
    return [f"{prefix}.{name}" for name, module in network.named_children() if isinstance(module, kinds)]


def widened(
    state: Mapping[str, Tensor], network: nn.Module, layers: Sequence[str | tuple[str, ...]], seed: int
) -> dict[str, Tensor]:
    """Make a narrower network's state fit a wider one, which computes the same then (arXiv:1511.05641, Net2WiderNet).

    New units of a layer are copies of random ones. What a unit and its copies give to the next layer adds up to what
    the unit gave, in unequal shares, so that they have different gradients and do not stay copies. Between the layers
    may be anything that treats units alike: activations, dropout, upsampling, padding, pooling, flattening.

    Args:
        state: The narrower network's.
        network: The wider one, for its shapes.
        layers: Names of its linear, convolutional and batch-normalising modules, in the order in which data pass them;
            of several heads that take the same input, a tuple at the end.
        seed: Decides which units are copied.

    Returns:
        The state for `network`; equal outputs are exact up to rounding, with dropout switched off.

    Raises:
        ValueError: A layer is narrower than it was, of an unknown kind, or differs in more than its width.
    """
    widening = _Widening(state, network, torch.Generator().manual_seed(seed))
    steps = [(step,) if isinstance(step, str) else step for step in layers]
    for place, names in enumerate(steps):
        widening.step(names, steps[place + 1 :])
    return widening.state


class _Widening:
    """Goes through a network's layers, with the units that the last one had and has."""

    def __init__(self, state: Mapping[str, Tensor], network: nn.Module, generator: torch.Generator) -> None:
        self.state = dict(state)
        self._network = network
        self._generator = generator
        self._units: Units | None = None

    def step(self, names: Sequence[str], following: Sequence[Sequence[str]]) -> None:
        """Widen the layers that take the same input; `following` are those that come after them."""
        before = self._units
        for name in names:
            module = self._network.get_submodule(name)
            if isinstance(module, _Normalisation):
                self._select(name, before)
                continue
            if not isinstance(module, (nn.Linear, *_Convolution)) or getattr(module, "groups", 1) != 1:
                raise ValueError(f"{name} is a {type(module).__name__}, which cannot be widened")
            self._units = self._connect(name, module.weight, before, self._inputs(following))

    def _inputs(self, following: Sequence[Sequence[str]]) -> int | None:
        """The inputs that the next layer with connections has; None if there is none."""
        for module in (self._network.get_submodule(name) for names in following for name in names):
            if isinstance(module, (nn.Linear, *_Convolution)):
                return module.weight.shape[1]
        return None

    def _connect(self, name: str, weight: Tensor, before: Units | None, inputs: int | None) -> Units:
        """Widen a layer of connections: its outputs are copied, and its inputs' copies share what they gave."""
        old, outputs = self.state[f"{name}.weight"], weight.shape[0]
        # A linear layer may make all values of an image: a unit is one of the channels that the next layer sees.
        units = inputs if inputs and outputs % inputs == 0 else outputs
        after = _copies(len(old) // (outputs // units), units, self._generator, name)
        rows = _spread(after.of, outputs // units)
        wider = old[rows]
        if before is not None:
            each = weight.shape[1] // len(before.of)
            share = before.share.repeat_interleave(each).to(wider)
            wider = wider[:, _spread(before.of, each)] * share.view(1, -1, *[1] * (wider.dim() - 2))
        if wider.shape != weight.shape:
            raise ValueError(f"{name} differs in more than its width: {tuple(old.shape)} before, {tuple(weight.shape)}")
        self.state[f"{name}.weight"] = wider
        if f"{name}.bias" in self.state:
            self.state[f"{name}.bias"] = self.state[f"{name}.bias"][rows]
        return after

    def _select(self, name: str, before: Units | None) -> None:
        """Widen a normalisation, which treats the units one by one."""
        for key, tensor in self._network.get_submodule(name).state_dict(prefix=f"{name}.").items():
            if tensor.dim() and before is not None:
                self.state[key] = self.state[key][_spread(before.of, len(tensor) // len(before.of))]


def _copies(old: int, new: int, generator: torch.Generator, name: str) -> Units:
    """So many units out of fewer: those, and copies of random ones."""
    if new < old:
        raise ValueError(f"{name} has {new} units, fewer than the {old} before")
    of = torch.cat([torch.arange(old), torch.randint(old, (new - old,), generator=generator)])
    part = 0.5 + torch.rand(new, generator=generator, dtype=torch.float64)
    return Units(of, part / torch.zeros(old, dtype=torch.float64).index_add(0, of, part)[of])


def _spread(of: Tensor, each: int) -> Tensor:
    """The places of units that have so many values each, one unit's after another's."""
    return (of[:, None] * each + torch.arange(each)).flatten()
