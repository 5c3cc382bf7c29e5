import math

import pytest
import torch
from torch.nn import functional

from trainables.ucluster.loss import alpha_at, cluster_loss, focal_loss, losses
from trainables.ucluster.net import Output
from trainables.ucluster.settings import Settings

LOGITS = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
CATEGORY = torch.randint(5, (20,), generator=torch.Generator().manual_seed(2))
DISTANCES = torch.rand(20, 3, generator=torch.Generator().manual_seed(3))


def test_without_focus_it_is_the_cross_entropy() -> None:
    assert focal_loss(LOGITS, CATEGORY, 0.0, 1.0) == pytest.approx(functional.cross_entropy(LOGITS, CATEGORY).item())


def test_focal_loss_of_a_known_probability() -> None:
    logits = torch.log(torch.tensor([[0.25, 0.75]]))
    expected = -10 * 0.75**2 * math.log(0.25)
    assert focal_loss(logits, torch.tensor([0]), 2.0, 10.0).item() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_of_certain_predictions_has_finite_gradients() -> None:
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    focal_loss(logits, torch.tensor([0, 0]), 0.5, 10.0).backward()
    assert torch.isfinite(logits.grad).all()


def test_at_alpha_0_it_is_the_mean_distance_and_at_large_alpha_the_nearest() -> None:
    assert cluster_loss(DISTANCES, 0.0).item() == pytest.approx(DISTANCES.mean().item(), rel=1e-6)
    assert cluster_loss(DISTANCES, 1e6).item() == pytest.approx(DISTANCES.amin(1).mean().item(), rel=1e-5)


def test_the_cluster_loss_is_the_published_formula() -> None:
    alpha, total = 3.0, 0.0
    for row in DISTANCES.double().tolist():
        weights = [math.exp(-alpha * (d - min(row))) for d in row]
        total += sum(w * d for w, d in zip(weights, row, strict=True)) / sum(weights)
    assert cluster_loss(DISTANCES, alpha).item() == pytest.approx(total / len(DISTANCES), rel=1e-6)


def test_alpha_starts_at_1_and_grows_by_2_an_epoch_after_pretraining() -> None:
    settings = Settings()
    assert [alpha_at(epoch, settings) for epoch in (0, 19, 20, 21, 30)] == [1, 1, 1, 3, 21]


def test_the_clustering_joins_in_after_pretraining() -> None:
    settings = Settings(ncat=5, beta=4.0, epochs_pretrain=2)
    output = Output(LOGITS, torch.zeros(20, 3), DISTANCES)
    before, after = (losses(output, CATEGORY, epoch, settings) for epoch in (1, 2))
    assert before.total == before.cls == after.cls
    assert after.total.item() == pytest.approx((after.cls + 4 * after.cluster).item())


def test_categories_beyond_the_last_count_as_the_last() -> None:
    settings = Settings(ncat=5)
    output = Output(LOGITS, torch.zeros(20, 3), DISTANCES)
    beyond = losses(output, torch.full((20,), 19, dtype=torch.int8), 0, settings)
    assert beyond.cls == losses(output, torch.full((20,), 4), 0, settings).cls
