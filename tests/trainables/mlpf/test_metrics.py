import math

import pytest
import torch

from tests.trainables.mlpf import fakes
from trainables.mlpf.loss import particle_momentum
from trainables.mlpf.metrics import class_metrics, confusion, event_metrics, event_moments, event_sums
from trainables.mlpf.net import Prediction


def said(classes: torch.Tensor, momentum: torch.Tensor) -> Prediction:
    return Prediction(torch.nn.functional.one_hot(classes, 6).float(), momentum)


def test_efficiency_and_fake_rate_by_hand() -> None:
    y = torch.zeros(8, 7)
    y[:, 0] = torch.tensor([0, 0, 1, 1, 1, 1, 3, 3])
    prediction = said(torch.tensor([0, 1, 1, 1, 1, 3, 3, 0]), torch.zeros(8, 5))
    metrics = class_metrics(confusion(prediction, y))
    assert metrics["eff_charged_hadron"] == (3, 4) and metrics["fake_charged_hadron"] == (1, 4)
    assert metrics["eff_photon"] == (1, 2) and metrics["fake_photon"] == (1, 2)
    assert metrics["eff_muon"] == (0, 0) and "eff_none" not in metrics and len(metrics) == 10


def test_event_sums_by_hand() -> None:
    y = torch.zeros(3, 7)
    y[:2, 0], y[:2, 2] = 1, torch.tensor([3.0, 4.0])
    y[0, 4], y[1, 5] = 1.0, 1.0
    momentum = torch.zeros(3, 5)
    momentum[:, 0], momentum[:, 3] = math.log(2.0), 1.0
    sums = event_sums(said(torch.tensor([1, 1, 0]), momentum), y, torch.tensor([3]))
    torch.testing.assert_close(sums, torch.tensor([[4.0, 7.0, 4.0, 5.0]], dtype=torch.float64))


def test_a_perfect_event_has_response_one() -> None:
    events = fakes.batch(50, 80, 20)
    prediction = said(events.y[:, 0].long(), particle_momentum(events.y))
    metrics = event_metrics(event_moments(event_sums(prediction, events.y, events.sizes)))
    assert metrics["sumpt_response"] == pytest.approx(1) and metrics["met_response"] == pytest.approx(1)
    assert metrics["sumpt_resolution"] < 1e-3 and metrics["met_resolution"] < 1e-3


def test_resolution_is_the_deviation_over_all_batches() -> None:
    sums = torch.rand(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1
    metrics = event_metrics(event_moments(sums[:7]) + event_moments(sums[7:]))
    response = sums[:, 0] / sums[:, 1]
    assert metrics["sumpt_response"] == pytest.approx(response.mean().item())
    assert metrics["sumpt_resolution"] == pytest.approx(response.std(correction=0).item())
    assert metrics["met_resolution"] == pytest.approx((sums[:, 2] - sums[:, 3]).std(correction=0).item())


def test_an_event_without_particles_has_no_response() -> None:
    sums = torch.tensor([[3.0, 0.0, 3.0, 0.0], [8.0, 10.0, 3.0, 4.0]], dtype=torch.float64)
    metrics = event_metrics(event_moments(sums))
    assert metrics["sumpt_response"] == pytest.approx(0.8) and metrics["sumpt_resolution"] == 0
    assert metrics["met_response"] == pytest.approx(6 / 4) and metrics["met_resolution"] == pytest.approx(2)


def test_nan_is_not_hidden() -> None:
    sums = torch.tensor([[torch.nan, 10.0, torch.nan, 4.0]], dtype=torch.float64)
    metrics = event_metrics(event_moments(sums))
    assert all(math.isnan(value) for value in metrics.values())
