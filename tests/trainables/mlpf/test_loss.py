import copy
import math

import pytest
import torch

from tests.trainables.mlpf import fakes
from trainables.mlpf.data import Events
from trainables.mlpf.loss import MOMENTUM_DELTAS, MOMENTUM_WEIGHTS, Losses, class_weights, losses, particle_momentum
from trainables.mlpf.net import MLPFNet, Prediction
from trainables.mlpf.settings import Settings

SETTINGS = Settings(hidden_dim=16, output_dim=16, distance_dim=16, ffn_dist_hidden_dim=16, bin_size=16)
ONES = torch.ones(6)


def perfect(events: Events) -> Prediction:
    logits = torch.nn.functional.one_hot(events.y[:, 0].long(), 6) * 60.0
    return Prediction(logits, particle_momentum(events.y))


def gradients(model: MLPFNet, events: Events, weights: torch.Tensor) -> list[torch.Tensor]:
    loss = losses(model(events.x, events.sizes), events.y, events.sizes, weights)
    return list(torch.autograd.grad(loss.total, list(model.parameters())))


def test_two_workers_gradients_are_those_of_one_on_the_joint_batch() -> None:
    torch.manual_seed(0)
    model = MLPFNet(SETTINGS).double()
    joint = fakes.batch(30, 90, 12, 61, seed=5)
    joint = Events(joint.x.double(), joint.y.double(), joint.sizes)
    weights, cut = class_weights(joint.y[:, 0]).double(), 30 + 90
    halves = [
        Events(joint.x[:cut], joint.y[:cut], joint.sizes[:2]),
        Events(joint.x[cut:], joint.y[cut:], joint.sizes[2:]),
    ]
    first, second = (gradients(model, half, weights) for half in halves)
    for one, two, both in zip(first, second, gradients(model, joint, weights), strict=True):
        torch.testing.assert_close((one + two) / 2, both, rtol=1e-6, atol=1e-6)


def test_every_event_weighs_the_same() -> None:
    events = fakes.batch(10, 70)
    logits = torch.zeros(80, 6)
    logits[:10] = perfect(events).logits[:10]
    loss = losses(Prediction(logits, particle_momentum(events.y)), events.y, events.sizes, ONES)
    assert loss.cls.item() == pytest.approx(math.log(6) / 2, rel=1e-5)


def test_a_perfect_prediction_costs_nothing() -> None:
    events = fakes.batch(40, 20)
    assert losses(perfect(events), events.y, events.sizes, ONES).total.item() < 1e-6


def test_momentum_counts_for_particles_alone_and_is_hubers() -> None:
    events = fakes.batch(40)
    particle, error = events.y[:, 0] != 0, torch.randn(40, 5, generator=torch.Generator().manual_seed(3)) * 0.8
    wrong = perfect(events)._replace(momentum=particle_momentum(events.y) + error)
    huber = [
        weight * torch.nn.functional.huber_loss(error[particle, i], torch.zeros(int(particle.sum())), delta=delta)
        for i, (delta, weight) in enumerate(zip(MOMENTUM_DELTAS, MOMENTUM_WEIGHTS, strict=True))
    ]
    loss = losses(wrong, events.y, events.sizes, ONES)
    torch.testing.assert_close(loss.reg, sum(huber))
    torch.testing.assert_close(loss.total, loss.cls + loss.reg)


def test_weights_are_inverse_roots_of_frequencies_with_mean_one() -> None:
    y = torch.zeros(125, 7)
    y[100:, 0] = 2
    weights = class_weights(y[:, 0])
    assert (weights[2] / weights[0]).item() == pytest.approx(2.0)
    assert weights[y[:, 0].long()].mean().item() == pytest.approx(1.0)
    assert torch.isfinite(weights).all()


def test_the_true_class_decides_the_weight() -> None:
    events, weights = fakes.batch(40), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    flat = Prediction(torch.zeros(40, 6), particle_momentum(events.y))
    expected = math.log(6) * weights[events.y[:, 0].long()].mean()
    torch.testing.assert_close(losses(flat, events.y, events.sizes, weights).cls, expected)


def test_an_event_without_particles_has_no_momentum_loss() -> None:
    events = fakes.batch(12)
    events.y.zero_()
    loss = losses(perfect(events)._replace(momentum=torch.randn(12, 5)), events.y, events.sizes, ONES)
    assert loss.reg.item() == 0.0


@pytest.mark.parametrize("part", ["logits", "momentum"])
def test_nan_is_not_hidden(part: str) -> None:
    events = fakes.batch(12)
    prediction = copy.deepcopy(perfect(events))
    getattr(prediction, part)[0] = torch.nan
    loss: Losses = losses(prediction, events.y, events.sizes, ONES)
    assert torch.isnan(loss.total)
