import pytest
import torch

from raise_hpo.trial.metrics import reduce_metrics
from raise_hpo.trial.trainable import Trainable
from trainables.epoch_sums import mean_losses, zeros

PARTS = ("total", "cls", "reg")


def test_means_over_samples_by_the_names_of_the_parts() -> None:
    total = zeros(3, device=torch.device("cpu"))
    for losses, samples in (([3.0, 2.0, 1.0], 4), ([6.0, 1.0, 5.0], 2)):
        total += torch.tensor(losses) * samples
    means = reduce_metrics(mean_losses("train", PARTS, total, 6), Trainable())
    assert means == pytest.approx({"train_loss": 4.0, "train_loss_cls": 10 / 6, "train_loss_reg": 14 / 6})


def test_a_worker_without_samples_counts_for_nothing() -> None:
    nothing = mean_losses("val", PARTS, zeros(3, device=torch.device("cpu")), 0)
    assert set(nothing.values()) == {(0.0, 0)}
    assert reduce_metrics(nothing, Trainable()) == {}


def test_a_long_sum_of_single_precision_losses_loses_nothing() -> None:
    total = zeros(1, device=torch.device("cpu"))
    total += 2.0**24
    for _ in range(3):
        total += torch.ones(1)
    assert total.item() == 2.0**24 + 3


def test_as_many_names_as_losses() -> None:
    with pytest.raises(ValueError, match="zip"):
        mean_losses("val", PARTS, zeros(2, device=torch.device("cpu")), 1)
