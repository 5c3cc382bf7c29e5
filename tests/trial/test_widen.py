"""Wider networks that compute what narrower ones did, and go on learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor, nn

from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place
from raise_hpo.trial.widen import layers_of, widened

from ..toys import Line


class Net(nn.Module):
    """A linear layer that makes an image, convolutions with what may stand between them, and two heads."""

    def __init__(self, image: int, first: int, second: int, dense: int) -> None:
        super().__init__()
        self.start = nn.Linear(3, image * 36)
        self.image = image
        self.blocks = nn.Sequential(
            nn.Conv2d(image, first, 3, padding=1), nn.BatchNorm2d(first), nn.ELU(), nn.Dropout(0.3), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 2, bias=False), nn.LeakyReLU(), nn.BatchNorm2d(second), nn.Flatten(),
            nn.Linear(second * 4, dense), nn.BatchNorm1d(dense), nn.Tanh(),
        )  # fmt: skip
        self.one, self.two = nn.Linear(dense, 1), nn.Linear(dense, 2)

    @property
    def layers(self) -> list[str | tuple[str, ...]]:
        return ["start", *layers_of(self.blocks, "blocks"), ("one", "two")]

    def forward(self, x: Tensor) -> Tensor:
        features = self.blocks(self.start(x).unflatten(1, (self.image, 6, 6)))
        return torch.cat([self.one(features), self.two(features)], 1)


def with_any_statistics(network: nn.Module) -> nn.Module:
    for name, tensor in network.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 2.0)
        elif tensor.is_floating_point() and tensor.dim() == 1:
            tensor.normal_()
    return network.eval()


sizes = some.tuples(*[some.integers(1, 6)] * 4)


@given(narrow=sizes, more=some.tuples(*[some.integers(0, 7)] * 4), seed=some.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_a_wider_network_computes_the_same(narrow: tuple[int, ...], more: tuple[int, ...], seed: int) -> None:
    torch.manual_seed(seed)
    old = with_any_statistics(Net(*narrow))
    new = Net(*(size + extra for size, extra in zip(narrow, more, strict=True))).eval()
    new.load_state_dict(widened(old.state_dict(), new, new.layers, seed))
    x = torch.randn(5, 3)
    torch.testing.assert_close(new(x), old(x), rtol=1e-4, atol=1e-5)


def test_as_wide_as_before_it_is_the_same_network_to_the_bit() -> None:
    old, new = with_any_statistics(Net(2, 3, 4, 5)), Net(2, 3, 4, 5)
    state = old.state_dict()
    for name, tensor in widened(state, new, new.layers, 1).items():
        assert torch.equal(tensor, state[name]), name


def test_copies_of_a_unit_have_gradients_of_their_own() -> None:
    torch.manual_seed(0)
    old = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    new = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
    new.load_state_dict(widened(old.state_dict(), new, ["0", "2"], 1))
    new(torch.randn(8, 3)).square().mean().backward()
    rows = new[0].weight.grad
    assert rows is not None
    assert len({tuple(row.tolist()) for row in rows}) == 6


@pytest.mark.parametrize(
    ("narrow", "wide", "sentence"),
    [
        ((4, 4, 4, 4), (4, 3, 4, 4), "blocks.0 has 3 units, fewer than the 4 before"),
        ((2, 2, 2, 2), (2, 2, 2, 1), "blocks.9 has 1 units, fewer than the 2 before"),
    ],
)
def test_what_is_narrower_is_refused(narrow: tuple[int, ...], wide: tuple[int, ...], sentence: str) -> None:
    new = Net(*wide)
    with pytest.raises(ValueError, match=sentence):
        widened(Net(*narrow).state_dict(), new, new.layers, 1)


def test_what_differs_otherwise_or_is_of_another_kind_is_refused() -> None:
    old, new = nn.Sequential(nn.Conv1d(2, 4, 3)), nn.Sequential(nn.Conv1d(2, 4, 5))
    with pytest.raises(ValueError, match=r"0 differs in more than its width: \(4, 2, 3\) before, \(4, 2, 5\)"):
        widened(old.state_dict(), new, ["0"], 1)
    grouped = nn.Sequential(nn.Conv1d(4, 4, 3, groups=2))
    with pytest.raises(ValueError, match="0 is a Conv1d, which cannot be widened"):
        widened(grouped.state_dict(), grouped, ["0"], 1)


class Growing(Line):
    def grown(self, network: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert network == "model"
        linear = [name for name, module in self.model.named_children() if isinstance(module, nn.Linear)]
        return widened(state, self.model, linear, self.place.seed)


def test_an_heir_that_is_larger_begins_where_its_parent_was_and_goes_on_learning() -> None:
    config: dict[str, Any] = {**Growing.defaults, "dropout": 0.0, "width": 4}
    parent = TrialRunner(Growing, config, Place(seed=1))
    for _ in range(2):
        parent.epoch()
    heir = TrialRunner(Growing, {**config, "width": 8}, Place(seed=2))
    heir.inherit(parent.save())
    x = torch.linspace(-1, 1, 20)[:, None]
    torch.testing.assert_close(heir.trainable.model(x), parent.trainable.model(x), rtol=1e-4, atol=1e-5)
    before = heir.trainable.validate()["val_loss"]
    moments = [len(heir.trainable.optimizer.state[weight]) for weight in heir.trainable.model.parameters()]
    assert moments[:2] == [0, 0] and moments[-1] > 0, "moments of another shape start anew, the others go on"
    first = heir.epoch()["val_loss"]
    assert heir.trainable.epoch == 3
    assert first < 1.5 * (before[0] / before[1] if isinstance(before, tuple) else before)
