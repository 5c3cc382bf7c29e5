import io
import math
from itertools import chain

import pytest
import torch
from torch.optim import lr_scheduler
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


SCHEDULES = {
    "exponential": lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
    "closed form": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step)),
    "cosine": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 20),
    "in sequence": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, 0.5, total_iters=4), lr_scheduler.ExponentialLR(optimizer, 0.9)],
        milestones=[4],
    ),
    "plateau": lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, patience=0),
}


def scheduled(name: str) -> type[Trainable]:
    """A trainable with this schedule that several workers need no process group for."""

    class Scheduled(raise_hpo.Trainable):
        def build(self, config):
            self.model = torch.nn.Linear(1, 1)
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
            self.schedule = SCHEDULES[name](self.optimizer)

    return Scheduled


def rates_after_steps(runner: TrialRunner, steps: int) -> list[float]:
    """The learning rates of so many steps; for a schedule that waits for a plateau, on one."""
    trainable, rates = runner.trainable, []
    for _ in range(steps):
        rates.append(trainable.optimizer.param_groups[0]["lr"])
        trainable.optimizer.step()
        waits = isinstance(trainable.schedule, lr_scheduler.ReduceLROnPlateau)
        trainable.schedule.step(*([1.0] if waits else []))
    return rates


@pytest.mark.parametrize("rule", ["off", "linear", "sqrt"])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_a_trial_that_grows_has_the_learning_rate_of_its_workers(name: str, rule: str) -> None:
    """From one worker to two to four: each time the rate is that of a trial which had so many from the start."""
    kind = scheduled(name)

    def made(workers: int) -> TrialRunner:
        return TrialRunner(kind, {}, Place(world_size=workers), rule)

    grown, found = made(1), []
    for workers in (1, 2, 4):
        if workers > 1:
            after = made(workers)
            after.load(grown.save())
            grown = after
        found += rates_after_steps(grown, 3)
    constant = {workers: rates_after_steps(made(workers), 9) for workers in (1, 2, 4)}
    assert found == pytest.approx([*constant[1][:3], *constant[2][3:6], *constant[4][6:]], rel=1e-12)
    assert grown.trainable.schedule.get_last_lr() == [grown.trainable.optimizer.param_groups[0]["lr"]]


def test_a_trial_that_shrinks_gets_its_first_learning_rate_back() -> None:
    kind = scheduled("exponential")
    four, one = (TrialRunner(kind, {}, Place(world_size=workers), "linear") for workers in (4, 1))
    one.load(four.save())
    assert one.trainable.optimizer.param_groups[0]["lr"] == 0.1


def test_a_checkpoint_that_knows_no_workers_is_of_as_many() -> None:
    kind = scheduled("exponential")
    four, again = (TrialRunner(kind, {}, Place(world_size=4), "linear") for _ in range(2))
    state = torch.load(io.BytesIO(four.save()), weights_only=True)
    assert state.pop("workers") == 4
    torch.save(state, raw := io.BytesIO())
    again.load(raw.getvalue())
    assert again.trainable.optimizer.param_groups[0]["lr"] == 0.4


@pytest.mark.parametrize(("rule", "sizes"), [("per_worker", [8, 8, 8, 8]), ("joint", [8, 4, 2, 1])])
def test_the_batch_stays_each_workers_or_that_of_all_together(rule: str, sizes: list[int]) -> None:
    points = TensorDataset(torch.arange(64))

    def batches(world: int) -> list[list[list[int]]]:
        """The samples of each worker's batches."""
        workers = [raise_hpo.Trainable(Place(rank=rank, world_size=world, batch=rule)) for rank in range(world)]
        return [[batch.tolist() for (batch,) in worker.shard(points, 8)] for worker in workers]

    [alone] = batches(1)
    for world, size in zip((1, 2, 4, 8), sizes, strict=True):
        shares = batches(world)
        assert {len(batch) for share in shares for batch in share} == {size}
        assert raise_hpo.Trainable(Place(world_size=world, batch=rule)).worker_batch(8) == size
        if rule == "joint":
            joint = [sorted(chain.from_iterable(parts)) for parts in zip(*shares, strict=True)]
            assert joint == [sorted(batch) for batch in alone]


@pytest.mark.parametrize(("batch", "world", "mine"), [(6, 4, 1), (2, 4, 1), (9, 2, 4)])
def test_a_joint_batch_that_cannot_be_shared_out_is_rounded(batch: int, world: int, mine: int) -> None:
    assert raise_hpo.Trainable(Place(world_size=world, batch="joint")).worker_batch(batch) == mine


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
