import math

import pytest
import torch
from torch.utils.data import TensorDataset

import raise_hpo
from raise_hpo.testing import TrainableContract
from raise_hpo.trial.runner import TrialRunner, seed_everything
from raise_hpo.trial.shard import ShardSampler
from raise_hpo.trial.trainable import Place, Trainable

from ..toys import Line


class TestLine(TrainableContract):
    def trainable(self) -> type[Trainable]:
        return Line


class Metrics(raise_hpo.Trainable):
    """Reports what it is told to."""

    def build(self, config):
        self.points = TensorDataset(torch.arange(10.0))
        self.reported = config["metrics"]

    def train_epoch(self):
        for _ in self.shard(self.points, 4):
            pass
        return self.reported

    def validate(self):
        return {"seen_in_validation": (float(self.samples_seen), 1.0)}


def epoch_of(metrics) -> dict[str, float]:
    return TrialRunner(Metrics, {"metrics": metrics}).epoch()


def test_numbers_and_ratios_are_reported() -> None:
    metrics = epoch_of({"loss": torch.tensor(0.5), "efficiency": (3, 4), "count": 7})
    assert metrics["loss"] == 0.5
    assert metrics["efficiency"] == 0.75
    assert metrics["count"] == 7.0
    assert metrics["samples_per_second"] > 0 < metrics["seconds"]


def test_an_empty_ratio_is_left_out_rather_than_made_up() -> None:
    assert "fake_rate" not in epoch_of({"fake_rate": (0, 0)})


def test_not_a_number_is_passed_on() -> None:
    assert math.isnan(epoch_of({"loss": math.nan})["loss"])


def test_a_metric_that_is_no_number_is_named() -> None:
    with pytest.raises(TypeError, match="metric 'loss' must be a number or a pair"):
        epoch_of({"loss": "low"})


@pytest.mark.parametrize(("rule", "factor"), [("off", 1.0), ("linear", 4.0), ("sqrt", 2.0)])
def test_the_learning_rate_grows_with_the_workers(rule: str, factor: float) -> None:
    class Unwrapped(Line):
        def distribute(self, model, **options):
            return model

    runner = TrialRunner(Unwrapped, dict(Line.defaults), Place(world_size=4), lr_scaling=rule)
    assert runner.trainable.optimizer.param_groups[0]["lr"] == pytest.approx(Line.defaults["lr"] * factor)
    assert runner.trainable.schedule.base_lrs == [pytest.approx(Line.defaults["lr"] * factor)]


def test_half_precision_trains_as_full_precision_does() -> None:
    config = {**Line.defaults, "dropout": 0.0, "lr": 0.01}
    full, half = (TrialRunner(Line, config, Place(precision=precision)) for precision in ("fp32", "bf16"))
    for _ in range(5):
        expected, found = full.epoch()["val_loss"], half.epoch()["val_loss"]
    assert found == pytest.approx(expected, rel=0.05)
    assert expected < 0.8 * TrialRunner(Line, config).epoch()["val_loss"]


def test_a_checkpoint_holds_model_optimizer_and_schedule() -> None:
    runner = TrialRunner(Line, dict(Line.defaults))
    runner.epoch()
    rate = runner.trainable.optimizer.param_groups[0]["lr"]
    resumed = TrialRunner(Line, dict(Line.defaults))
    resumed.load(runner.save())
    assert resumed.trainable.epoch == 1
    assert resumed.trainable.optimizer.param_groups[0]["lr"] == rate != Line.defaults["lr"]


def test_seeds_differ_between_trials_and_repeat() -> None:
    def draw(*numbers: int) -> float:
        seed_everything(*numbers)
        return torch.rand(1).item()

    assert draw(1, 2) == draw(1, 2) != draw(1, 3)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("length", [12, 13])
def test_shards_share_out_an_epoch(world: int, length: int) -> None:
    shards = [list(ShardSampler(length, rank, world, 1, 0, shuffle=True)) for rank in range(world)]
    together = [sample for shard in shards for sample in shard]
    assert len(set(together)) == len(together) == length - length % world
    assert len({len(shard) for shard in shards}) == 1


def test_shuffled_order_changes_with_the_epoch_and_repeats_with_the_seed() -> None:
    first, again, other = (list(ShardSampler(50, 0, 1, 1, epoch, shuffle=True)) for epoch in (0, 0, 1))
    assert first == again != other


def test_unshuffled_every_sample_is_visited_in_order() -> None:
    shards = [list(ShardSampler(7, rank, 2, 1, 0, shuffle=False)) for rank in range(2)]
    assert shards == [[0, 2, 4, 6], [1, 3, 5]]
