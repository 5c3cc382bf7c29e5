"""Crossing and mutating weights: whose each unit is, how large the noise is, and that a seed decides both."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from raise_hpo.trial.breed import bred, crossed, mutated
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place

from ..toys import Line

CALM = {**Line.defaults, "dropout": 0.0}


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    found = nn.Sequential(nn.Conv2d(2, 40, 3), nn.BatchNorm2d(40), nn.ReLU(), nn.Conv2d(40, 30, 3), nn.Flatten())
    for tensor in found.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_()
    return found


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_unit_is_of_one_network_whole_and_normalised_as_there() -> None:
    first, second = network(1).state_dict(), network(2).state_dict()
    found = crossed(first, second, generator())
    units_of = {}
    for layer in ("0", "3"):
        of_second = (found[f"{layer}.weight"] == second[f"{layer}.weight"]).flatten(1).all(1)
        of_first = (found[f"{layer}.weight"] == first[f"{layer}.weight"]).flatten(1).all(1)
        assert torch.equal(of_first, ~of_second)
        assert torch.equal(found[f"{layer}.bias"] == second[f"{layer}.bias"], of_second)
        assert 0.2 < of_second.float().mean() < 0.8
        units_of[layer] = of_second
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(found[f"1.{name}"] == second[f"1.{name}"], units_of["0"])
    assert found["1.num_batches_tracked"] == first["1.num_batches_tracked"]


def test_a_network_crossed_with_itself_is_itself() -> None:
    state = network(1).state_dict()
    for name, tensor in crossed(state, state, generator()).items():
        assert torch.equal(tensor, state[name])


def test_noise_is_relative_to_a_layers_weights_and_spares_the_rest() -> None:
    state = network(3).state_dict()
    state["3.weight"] *= 100
    found = mutated(state, 0.1, generator())
    for name, tensor in state.items():
        if name in ("0.weight", "3.weight"):
            relative = (found[name] - tensor).square().mean().sqrt() / tensor.square().mean().sqrt()
            assert relative == pytest.approx(0.1, rel=0.1)
        else:
            assert torch.equal(found[name], tensor)


def test_networks_of_the_same_shape_are_bred_alike_and_a_seed_decides_how() -> None:
    """A mean of the weights, kept beside them, must have the units that they have."""
    one, two = network(1).state_dict(), network(2).state_dict()
    networks, mates = {"model": one, "average": one}, {"model": two, "average": two, "other": two}
    found, again, other = (bred(networks, mates, 0.1, seed) for seed in (5, 5, 6))
    for name in one:
        assert torch.equal(found["model"][name], found["average"][name])
        assert torch.equal(found["model"][name], again["model"][name])
    assert not torch.equal(found["model"]["0.weight"], other["model"]["0.weight"])


def test_an_heir_of_two_has_units_of_both_and_the_first_ones_epoch() -> None:
    parent, mate = TrialRunner(Line, CALM, Place(seed=1)), TrialRunner(Line, CALM, Place(seed=2))
    parent.epoch()
    heir = TrialRunner(Line, {**CALM, "lr": 0.02}, Place(seed=3))
    heir.inherit(parent.save(), mate.save())
    assert heir.trainable.epoch == 1
    weights = zip(heir.trainable.model[0].weight, parent.trainable.model[0].weight, mate.trainable.model[0].weight,
                  strict=True)  # fmt: skip
    whose = [(torch.equal(own, first), torch.equal(own, second)) for own, first, second in weights]
    assert set(whose) == {(True, False), (False, True)}
    assert heir.trainable.optimizer.param_groups[0]["lr"] == pytest.approx(0.02 * 0.98)


def test_a_mate_of_another_shape_fails_in_one_sentence() -> None:
    heir, mate = TrialRunner(Line, CALM), TrialRunner(Line, {**CALM, "width": 16})
    with pytest.raises(TrialFailure, match=r"0\.weight is not the same in both"):
        heir.inherit(TrialRunner(Line, CALM).save(), mate.save())
