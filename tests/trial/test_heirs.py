"""A trial that starts from another configuration's checkpoint: takes on what was learnt, and nothing of how."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

import raise_hpo
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.spec import TrialSpec
from raise_hpo.trial.trainable import Place

from ..toys import Line

CALM = {**Line.defaults, "dropout": 0.0}


def heir_of(parent: TrialRunner, config: dict[str, Any], trainable: type = Line, **place: Any) -> TrialRunner:
    heir = TrialRunner(trainable, config, Place(**place))
    heir.inherit(parent.save())
    return heir


def trained(config: dict[str, Any], epochs: int = 2, trainable: type = Line) -> TrialRunner:
    runner = TrialRunner(trainable, config)
    for _ in range(epochs):
        runner.epoch()
    return runner


def adam_step(
    weight: torch.Tensor,
    gradient: torch.Tensor,
    moments: dict[str, torch.Tensor],
    lr: float,
    betas: tuple[float, float],
) -> torch.Tensor:
    """Adam's update as its paper writes it (Kingma & Ba 2015, algorithm 1)."""
    step = moments["step"].item() + 1
    first = betas[0] * moments["exp_avg"] + (1 - betas[0]) * gradient
    second = betas[1] * moments["exp_avg_sq"] + (1 - betas[1]) * gradient**2
    return weight - lr * (first / (1 - betas[0] ** step)) / ((second / (1 - betas[1] ** step)).sqrt() + 1e-8)


class Betas(Line):
    """A line whose optimizer's betas are searched too."""

    def build(self, config: Any) -> None:
        super().build(config)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config["lr"], betas=(config["beta"], 0.99), weight_decay=config["decay"]
        )
        self.schedule = lr_scheduler.ExponentialLR(self.optimizer, config["gamma"])


SETTINGS = {**CALM, "beta": 0.9, "decay": 0.01, "gamma": 0.9}


def test_the_first_step_is_that_of_the_parents_moments_and_its_own_settings() -> None:
    parent = trained(SETTINGS, epochs=3, trainable=Betas)
    weights = [weight.detach().clone() for weight in parent.trainable.model.parameters()]
    moments = [parent.trainable.optimizer.state[weight] for weight in parent.trainable.model.parameters()]
    heir = heir_of(parent, {**SETTINGS, "lr": 0.02, "beta": 0.7, "decay": 0.0, "gamma": 0.5}, Betas).trainable
    x, y = heir.points.tensors
    loss = torch.nn.functional.mse_loss(heir.model(x), y)
    gradients = torch.autograd.grad(loss, list(heir.model.parameters()), retain_graph=True)
    heir.step(loss)
    for weight, gradient, moment, found in zip(weights, gradients, moments, heir.model.parameters(), strict=True):
        expected = adam_step(weight, gradient, moment, lr=0.02 * 0.5**3, betas=(0.7, 0.99))
        torch.testing.assert_close(found.detach(), expected)


def test_settings_are_as_built_and_epochs_go_on() -> None:
    config = {**SETTINGS, "lr": 0.02, "beta": 0.7, "decay": 0.2}
    heir = heir_of(trained(SETTINGS, trainable=Betas), config, Betas).trainable
    (group,) = heir.optimizer.param_groups
    assert (group["betas"], group["weight_decay"], group["initial_lr"]) == ((0.7, 0.99), 0.2, 0.02)
    assert heir.epoch == 2
    assert heir.schedule.base_lrs == [0.02]


def test_with_the_parents_configuration_and_seed_it_is_the_parent() -> None:
    parent = trained(dict(Line.defaults))
    heir = heir_of(parent, dict(Line.defaults))
    assert heir.epoch()["val_loss"] == parent.epoch()["val_loss"]


Schedule = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]
SCHEDULES: dict[str, tuple[Schedule, float]] = {
    "cosine": (lambda own: lr_scheduler.CosineAnnealingLR(own, 10), (1 + math.cos(math.pi * 3 / 10)) / 2),
    "steps": (lambda own: lr_scheduler.StepLR(own, 2, 0.1), 0.1),
    "function": (lambda own: lr_scheduler.LambdaLR(own, lambda step: 1 / (1 + step)), 1 / 4),
    "one after another": (
        lambda own: lr_scheduler.SequentialLR(
            own, [lr_scheduler.ConstantLR(own, 0.5, 100), lr_scheduler.ExponentialLR(own, 0.5)], [1]
        ),
        1 / 4,
    ),
    "chained": (
        lambda own: lr_scheduler.ChainedScheduler(
            [lr_scheduler.ExponentialLR(own, 0.5), lr_scheduler.ConstantLR(own, 0.5, 100)]
        ),
        1 / 16,
    ),
    "plateau": (lambda own: lr_scheduler.ReduceLROnPlateau(own), 1.0),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on_at_the_parents_step_with_the_heirs_rate(name: str) -> None:
    make, decay = SCHEDULES[name]

    class Scheduled(Line):
        def build(self, config: Any) -> None:
            super().build(config)
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config["lr"])
            self.schedule = make(self.optimizer)

        def train_epoch(self) -> None:
            self.step(self.model(torch.ones(1, 1)).sum())
            self.schedule.step(*([1.0] if name == "plateau" else []))

    heir = heir_of(trained(CALM, epochs=3, trainable=Scheduled), {**CALM, "lr": 0.4}, Scheduled)
    assert heir.trainable.optimizer.param_groups[0]["lr"] == pytest.approx(0.4 * decay)


def test_momentum_is_taken_on_by_an_optimizer_of_several_groups() -> None:
    class Groups(Line):
        def build(self, config: Any) -> None:
            super().build(config)
            first, *_, last = self.model
            groups = [{"params": first.parameters()}, {"params": last.parameters(), "lr": 10 * config["lr"]}]
            self.optimizer = torch.optim.SGD(groups, lr=config["lr"], momentum=config["momentum"])
            self.schedule = None

        def train_epoch(self) -> None:
            self.step(self.model(torch.ones(1, 1)).sum())

    parent = trained({**CALM, "momentum": 0.5}, trainable=Groups)
    heir = heir_of(parent, {**CALM, "lr": 0.1, "momentum": 0.9}, Groups).trainable
    assert [(group["lr"], group["momentum"]) for group in heir.optimizer.param_groups] == [(0.1, 0.9), (1.0, 0.9)]
    for own, others in zip(heir.model.parameters(), parent.trainable.model.parameters(), strict=True):
        expected = parent.trainable.optimizer.state[others]["momentum_buffer"]
        torch.testing.assert_close(heir.optimizer.state[own]["momentum_buffer"], expected)


def test_a_model_of_another_shape_fails_in_one_sentence() -> None:
    with pytest.raises(TrialFailure) as failure:
        heir_of(trained(CALM), {**CALM, "width": 16})
    assert failure.value.kind == "error"
    assert "size mismatch for 0.weight" in failure.value.cause
    assert failure.value.cause.endswith("leave what shapes the model out of what the scheduler's heirs may change")
    assert "\n" not in failure.value.cause


def test_a_part_that_the_parent_does_not_have_fails_in_one_sentence() -> None:
    class More(Line):
        def build(self, config: Any) -> None:
            super().build(config)
            self.average = torch.nn.Linear(1, 1)

    with pytest.raises(TrialFailure, match="it holds no 'average'"):
        heir_of(trained(CALM), CALM, More)


class Numbers(raise_hpo.Trainable):
    """Draws numbers from a generator of its own and from torch's."""

    def build(self, config: Any) -> None:
        self.generator = torch.Generator().manual_seed(self.place.seed)

    def train_epoch(self) -> dict[str, float]:
        return {"val_loss": torch.rand(1, generator=self.generator).item(), "other": torch.rand(1).item()}


def test_an_heirs_random_numbers_are_its_own() -> None:
    parent = trained({}, trainable=Numbers)
    one, two = (heir_of(parent, {}, Numbers, seed=seed).epoch() for seed in (1, 2))
    assert one["val_loss"] != two["val_loss"]
    assert one["other"] != two["other"]
    assert one["val_loss"] == TrialRunner(Numbers, {}, Place(seed=1)).epoch()["val_loss"]


def test_a_worker_loads_an_heirs_checkpoint_as_one(tmp_path: Path) -> None:
    from raise_hpo.trial.worker import Worker

    parent = trained(CALM)
    (tmp_path / "parent.pt").write_bytes(parent.save())
    spec = TrialSpec(
        trial=5, trainable=Line, config={"lr": 0.02}, fixed={}, seed=1, data={}, precision="fp32", lr_scaling="off",
        folder=tmp_path, checkpoint="parent.pt", save_at=frozenset(), inherits=True,
    )  # fmt: skip
    worker = Worker(0, 1, 1)
    worker.begin(spec)
    runner = worker._runner
    assert runner is not None and runner.place.seed == 1_000_003 + 5
    assert runner.trainable.optimizer.param_groups[0]["lr"] == pytest.approx(0.02 * 0.98**2)
    for own, others in zip(runner.trainable.model.parameters(), parent.trainable.model.parameters(), strict=True):
        assert torch.equal(own, others)
