import math
from pathlib import Path
from typing import Any

import pytest
import torch

from raise_hpo.errors import UserError
from raise_hpo.space import SearchSpace
from raise_hpo.study import load_study_file
from raise_hpo.testing.trainables import TrainableContract
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place, Trainable
from tests.trainables.lartpc import fakes
from trainables.lartpc.particles import CLASS_NAMES
from trainables.lartpc.trainable import LArTPC

BASE = {"lr": 3e-3, "width": 0.2, "batch_size": 5}
CHANGES = {
    "lr": 1e-3,
    "batch_size": 3,
    "weight_decay": 0.5,
    "dropout": 0.3,
    "width": 0.3,
    "kernel": 3,
    "pool": 2,
    "dense": 16,
    "activation": "relu",
    "planes": 3,
    "downsample": 2,
    "augment": True,
    "intensity": "log",
}
# These change how the network is trained; all others change what it computes before its first step.
OF_TRAINING = {"lr", "batch_size", "weight_decay", "dropout", "augment"}
# These change neither the parameters' shapes nor, so, the numbers they are drawn from.
OF_COMPUTING = {"activation", "intensity"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("events")
    return {name: fakes.written(folder / f"{name}.parquet", n, n) for name, n in (("train", 30), ("valid", 13))}


def runner(data: dict[str, Any], cache: Path | None = None, **config: Any) -> TrialRunner:
    return TrialRunner(LArTPC, {**LArTPC.defaults, **BASE, **config}, Place(data=data, cache=cache))


@torch.no_grad()
def initial_loss(trial: TrialRunner) -> float:
    trial.trainable.model.eval()
    total, _ = trial.trainable.validate()["val_loss"]
    return total / 13


def shapes(trial: TrialRunner) -> dict[str, torch.Size]:
    return {name: weights.shape for name, weights in trial.trainable.model.named_parameters()}


class TestContract(TrainableContract):
    @pytest.fixture(autouse=True)
    def _events(self, data: dict[str, str]) -> None:
        self.data = data

    def trainable(self) -> type[Trainable]:
        return LArTPC


@pytest.mark.parametrize("key", LArTPC.defaults)
def test_every_hyperparameter_acts(key: str, data: dict[str, str]) -> None:
    default, other = runner(data), runner(data, **{key: CHANGES[key]})
    before = [initial_loss(trial) for trial in (default, other)]
    assert (before[0] == pytest.approx(before[1], rel=1e-6)) == (key in OF_TRAINING)
    after = [trial.epoch()["val_loss"] for trial in (default, other)]
    assert after[0] != pytest.approx(after[1], rel=1e-6)
    assert (shapes(default) == shapes(other)) == (key in OF_TRAINING | OF_COMPUTING)


def test_the_search_space_holds_nothing_unknown() -> None:
    for key, dimension in SearchSpace.load("lartpc").dimensions.items():
        # No decay at all is not on a logarithmic scale.
        assert dimension.contains(LArTPC.defaults[key]) or key == "weight_decay", key


def test_it_learns(data: dict[str, str]) -> None:
    trial = runner(data)
    losses = [trial.epoch() for _ in range(12)]
    assert losses[-1]["val_loss"] < 0.6 * losses[0]["val_loss"]
    assert losses[-1]["val_accuracy"] > 0.7


def test_reported_numbers(data: dict[str, str]) -> None:
    metrics = runner(data).epoch()
    assert {f"eff_{name}" for name in CLASS_NAMES} <= set(metrics)
    right = sum(metrics[f"eff_{name}"] * n for name, n in zip(CLASS_NAMES, (3, 3, 3, 2, 2), strict=True))
    assert right / 13 == pytest.approx(metrics["val_accuracy"])
    assert 0 <= metrics["train_accuracy"] <= 1 and metrics["train_loss"] > 0


def test_the_validation_loss_does_not_depend_on_the_batch_size(data: dict[str, str]) -> None:
    first, second = (initial_loss(runner(data, batch_size=size)) for size in (1, 13))
    assert first == pytest.approx(second, rel=1e-5)


def test_nan_is_not_hidden(data: dict[str, str]) -> None:
    trial = runner(data)
    with torch.no_grad():
        next(trial.trainable.model.parameters()).fill_(math.nan)
    metrics = trial.epoch()
    assert math.isnan(metrics["val_loss"]) and math.isnan(metrics["train_loss"])


def test_figures_are_of_all_validation_events(data: dict[str, str]) -> None:
    trial = runner(data)
    trial.epoch()
    shown = trial.trainable.figures()
    assert sum(map(sum, shown["Confusion matrix"].data[0].text)) == pytest.approx(13, abs=0.2)


def test_the_model_to_use_gives_probabilities_and_is_a_copy(data: dict[str, str]) -> None:
    trial = runner(data, planes=3, downsample=2, intensity="log")
    model, inputs = trial.trainable.inference()
    assert not model.training and trial.trainable.model.training
    assert inputs["images"].shape == (2, 3, 81, 81) and inputs["images"].dtype == torch.int16
    with torch.no_grad():
        before = model(**inputs)
        trial.trainable.model.layers.fc1.weight.zero_()
        torch.testing.assert_close(model(**inputs), before)
    torch.testing.assert_close(before.sum(1), torch.ones(2))


def test_the_model_to_use_runs_in_other_programs(data: dict[str, str]) -> None:
    model, inputs = runner(data).trainable.inference()
    dynamic = {"images": {0: torch.export.Dim("batch", min=1, max=64)}}
    exported = torch.export.export(model, (), inputs, dynamic_shapes=dynamic).module()
    five = torch.randint(-10, 500, (5, 1, 81, 81), dtype=torch.int16)
    torch.testing.assert_close(exported(images=five), model(five))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kernal": 3}, ["'kernal'", "did you mean 'kernel'"]),
        ({"kernel": 4}, ["'kernel' is 4", "1, 3, 5 or 7"]),
        ({"planes": 2}, ["'planes' is 2", "1 or 3"]),
        ({"pool": 4}, ["'pool' is 4", "81 pixels", "0, 3, 2"]),
        ({"lr": math.nan}, ["'lr' is nan", "finite"]),
    ],
)
def test_an_impossible_configuration_is_told(config: dict[str, Any], words: list[str], data: dict[str, str]) -> None:
    with pytest.raises(UserError) as error:
        runner(data, **config)
    assert all(word in str(error.value) for word in words)


def test_more_workers_than_events_are_told(data: dict[str, str]) -> None:
    with pytest.raises(UserError, match="30 training events are too few for 31 workers"):
        TrialRunner(LArTPC, LArTPC.defaults, Place(data=data, world_size=31))


def test_the_study_that_comes_with_it_can_be_read() -> None:
    folder = Path(__file__).parents[3] / "trainables" / "lartpc"
    study = load_study_file(folder / "study.yaml")
    assert study.trainable == study.name == "lartpc"
    assert set(study.space.dimensions) <= set(LArTPC.defaults)
