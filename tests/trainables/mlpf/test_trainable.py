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
from tests.trainables.mlpf import fakes
from trainables.mlpf.schema import write_events
from trainables.mlpf.trainable import MLPF

# A learning rate and distances at which a few steps are enough for each key to show.
BASE = {"lr": 3e-3, "layernorm": True, "dist_mult": 0.2}
CHANGES = {
    "lr": 1e-3,
    "expdecay_decay_steps": 10,
    "batch_size": 3,
    "dropout": 0.3,
    "activation": "relu",
    "hidden_dim": 24,
    "layernorm": False,
    "bin_size": 16,
    "distance_dim": 32,
    "ffn_dist_hidden_dim": 32,
    "ffn_dist_num_layers": 2,
    "dist_mult": 0.02,
    "clip_value_low": 0.2,
    "normalize_degrees": False,
    "num_node_messages": 2,
    "output_dim": 32,
    "num_graph_layers_common": 1,
    "num_graph_layers_energy": 1,
}
# These change how the network is trained; all others change what it computes before its first step.
OF_TRAINING = {"lr", "expdecay_decay_steps", "batch_size", "dropout"}
# These change neither the parameters' shapes nor, so, the numbers they are drawn from.
OF_COMPUTING = {"activation", "bin_size", "dist_mult", "clip_value_low", "normalize_degrees"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("events")
    files = {name: folder / f"{name}.parquet" for name in ("train", "valid")}
    for seed, (path, events) in enumerate(zip(files.values(), (12, 5), strict=True)):
        write_events([fakes.event(30 + 13 * i, 100 * seed + i) for i in range(events)], path, {})
    return {name: str(path) for name, path in files.items()}


def runner(data: dict[str, Any], **config: Any) -> TrialRunner:
    return TrialRunner(MLPF, {**MLPF.defaults, **config}, Place(data=data))


@torch.no_grad()
def initial_loss(trial: TrialRunner) -> float:
    trial.trainable.model.eval()
    total, events = trial.trainable.validate()["val_loss"]
    assert events == 5
    return total / events


def shapes(trial: TrialRunner) -> dict[str, torch.Size]:
    return {name: weights.shape for name, weights in trial.trainable.model.named_parameters()}


class TestContract(TrainableContract):
    @pytest.fixture(autouse=True)
    def _events(self, data: dict[str, str]) -> None:
        self.data = data

    def trainable(self) -> type[Trainable]:
        return MLPF


@pytest.mark.parametrize("key", MLPF.defaults)
def test_every_hyperparameter_acts(key: str, data: dict[str, str]) -> None:
    default, other = runner(data, **BASE), runner(data, **{**BASE, key: CHANGES[key]})
    before = [initial_loss(trial) for trial in (default, other)]
    assert (before[0] == pytest.approx(before[1], rel=1e-6)) == (key in OF_TRAINING)
    after = [trial.epoch()["val_loss"] for trial in (default, other)]
    assert after[0] != pytest.approx(after[1], rel=1e-6)
    assert (shapes(default) == shapes(other)) == (key in OF_TRAINING | OF_COMPUTING)


@pytest.mark.parametrize("name", ["mlpf", "mlpf_architecture"])
def test_the_search_spaces_hold_the_defaults_and_nothing_unknown(name: str) -> None:
    for key, dimension in SearchSpace.load(name).dimensions.items():
        assert dimension.contains(MLPF.defaults[key]), key


def test_the_learning_rate_falls_by_a_percent_in_the_given_steps(data: dict[str, str]) -> None:
    trial = runner(data, lr=0.01, expdecay_decay_steps=6, batch_size=1)
    trial.epoch()
    assert trial.trainable.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.99 ** (12 / 6))


def test_it_learns(data: dict[str, str]) -> None:
    trial = runner(data, lr=3e-3)
    losses = [trial.epoch() for _ in range(8)]
    assert losses[-1]["val_loss"] < 0.5 * losses[0]["val_loss"]
    assert losses[-1]["eff_charged_hadron"] > 0.95 and losses[-1]["fake_charged_hadron"] < 0.05


def test_reported_numbers(data: dict[str, str]) -> None:
    metrics = runner(data).epoch()
    for phase in ("train", "val"):
        parts = metrics[f"{phase}_loss_cls"] + metrics[f"{phase}_loss_reg"]
        assert metrics[f"{phase}_loss"] == pytest.approx(parts, rel=1e-5)
    assert {"sumpt_response", "sumpt_resolution", "met_response", "met_resolution"} <= set(metrics)
    assert 0 <= metrics["eff_photon"] <= 1


def test_the_validation_loss_does_not_depend_on_the_batch_size(data: dict[str, str]) -> None:
    first, second = (initial_loss(runner(data, batch_size=size)) for size in (1, 5))
    assert first == pytest.approx(second, rel=1e-5)


def test_nan_is_not_hidden(data: dict[str, str]) -> None:
    trial = runner(data)
    with torch.no_grad():
        next(trial.trainable.model.parameters()).fill_(math.nan)
    metrics = trial.epoch()
    assert math.isnan(metrics["val_loss"]) and math.isnan(metrics["train_loss"])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"bin_sise": 32}, ["'bin_sise'", "did you mean 'bin_size'"]),
        ({"dropout": 1.0}, ["'dropout' is 1.0", "less than 1"]),
        ({"bin_size": 2.5}, ["'bin_size' is 2.5", "integer"]),
        ({"lr": math.nan}, ["'lr' is nan", "finite"]),
        ({"activation": "eluu"}, ["'activation' is 'eluu'", "'elu', 'gelu'"]),
    ],
)
def test_an_impossible_configuration_is_told(config: dict[str, Any], words: list[str], data: dict[str, str]) -> None:
    with pytest.raises(UserError) as error:
        runner(data, **config)
    assert all(word in str(error.value) for word in words)


def test_whole_numbers_may_be_written_as_floats(data: dict[str, str]) -> None:
    assert runner(data, bin_size=16.0).trainable.model.bin_size == 16


def test_more_workers_than_events_are_told(data: dict[str, str]) -> None:
    with pytest.raises(UserError, match="12 training events are too few for 13 workers"):
        TrialRunner(MLPF, MLPF.defaults, Place(data=data, world_size=13))


def test_the_study_that_comes_with_it_can_be_read() -> None:
    study = load_study_file(Path(__file__).parents[3] / "trainables" / "mlpf" / "study.yaml")
    assert study.trainable == study.name == "mlpf" and study.budget.trials == 18
    assert set(study.space.dimensions) <= set(MLPF.defaults)
