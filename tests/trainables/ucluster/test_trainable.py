import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from raise_hpo.errors import UserError
from raise_hpo.space import SearchSpace
from raise_hpo.study import load_study_file
from raise_hpo.testing.trainables import TrainableContract
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place, Trainable
from tests.trainables.ucluster import fakes
from trainables.ucluster import schema
from trainables.ucluster.trainable import UCluster

# Small enough to be quick, and after an epoch of pretraining.
BASE: dict[str, Any] = {"width": 8, "num_point": 20, "k": 4, "batch_size": 16, "epochs_pretrain": 1, "dropout": 0.1}
CHANGES = {
    "learning_rate": 5e-3,
    "optimizer": "momentum",
    "decay_step": 1,
    "decay_rate": 0.1,
    "min_learning_rate": 9e-4,
    "wd": 0.1,
    "batch_size": 12,
    "epochs_pretrain": 3,
    "beta": 100.0,
    "alpha_start": 30.0,
    "alpha_step": 60.0,
    "n_clusters": 4,
    "max_dim": 5,
    "pooling": "max",
    "num_point": 40,
    "nfeat": 6,
    "ncat": 9,
    "k": 6,
    "heads": 2,
    "width": 12,
    "dropout": 0.6,
    "focal_gamma": 0.0,
    "focal_scale": 1.0,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("jets")
    files = {"train": fakes.write_jets(folder / "train.parquet", 64, 1)}
    files["valid"] = fakes.write_jets(folder / "valid.parquet", 33, 2)
    return {name: str(path) for name, path in files.items()}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("events")
    files = {"train": fakes.write_events(folder / "train.parquet", 48, 1)}
    files["valid"] = fakes.write_events(folder / "valid.parquet", 30, 2)
    return {name: str(path) for name, path in files.items()}


def runner(data: dict[str, Any], **config: Any) -> TrialRunner:
    return TrialRunner(UCluster, {**UCluster.defaults, **BASE, **config}, Place(data=data))


def after(data: dict[str, Any], epochs: int = 3, **config: Any) -> dict[str, float]:
    trial = runner(data, **config)
    return [trial.epoch() for _ in range(epochs)][-1]


class Quick(UCluster):
    """With defaults that are quick to train."""

    defaults: ClassVar[Mapping[str, Any]] = {**UCluster.defaults, **BASE}


class TestContract(TrainableContract):
    metric = "val_accuracy"

    @pytest.fixture(autouse=True)
    def _jets(self, data: dict[str, str]) -> None:
        self.data = data

    def trainable(self) -> type[Trainable]:
        return Quick


@pytest.fixture(scope="module")
def unchanged(data: dict[str, str]) -> dict[str, float]:
    return after(data)


# These act only where another setting lets them.
WITH = {"decay_rate": {"decay_step": 1}, "min_learning_rate": {"decay_step": 1}}


@pytest.mark.parametrize("key", CHANGES)
def test_every_hyperparameter_acts(key: str, data: dict[str, str], unchanged: dict[str, float]) -> None:
    before = after(data, **WITH[key]) if key in WITH else unchanged
    changed = after(data, **WITH.get(key, {}), **{key: CHANGES[key]})
    assert changed["val_loss"] != pytest.approx(before["val_loss"], rel=1e-6)


def test_all_hyperparameters_are_tested() -> None:
    assert {*CHANGES, "task", "momentum"} == set(UCluster.defaults)


def test_momentum_acts_on_gradient_descent(data: dict[str, str]) -> None:
    losses = {after(data, epochs=1, optimizer="momentum", momentum=m)["val_loss"] for m in (0.0, 0.9)}
    assert len(losses) == 2


def test_the_defaults_are_those_of_the_talk() -> None:
    talk = {
        **{"max_dim": 3, "n_clusters": 3, "num_point": 100, "epochs_pretrain": 20, "batch_size": 1024},
        **{"learning_rate": 0.001, "momentum": 0.9, "optimizer": "adam", "wd": 0.0, "decay_rate": 0.5},
        **{"nfeat": 8, "ncat": 20, "beta": 10.0, "alpha_start": 1.0, "alpha_step": 2.0},
    }
    assert talk.items() <= UCluster.defaults.items()


@pytest.mark.parametrize("name", ["ucluster", "ucluster_workers"])
def test_the_search_spaces_hold_the_defaults_and_nothing_unknown(name: str) -> None:
    own = {"resources.workers": 1, "resources.lr_scaling": "off"}
    for key, dimension in SearchSpace.load(name).dimensions.items():
        assert dimension.contains({**UCluster.defaults, **own}[key]), key


def test_the_packaged_study_is_valid() -> None:
    study = load_study_file(Path(schema.__file__).parent / "study.yaml")
    assert (study.objective.metric, study.objective.mode) == ("val_accuracy", "max")
    assert study.budget.trials and set(study.config) < set(UCluster.defaults)
    UCluster.check_data(study.data)


def test_the_learning_rate_is_halved_every_three_epochs_down_to_a_floor(data: dict[str, str]) -> None:
    trial, rates = runner(data, learning_rate=1e-3, min_learning_rate=3e-4), []
    for _ in range(8):
        rates.append(trial.trainable.optimizer.param_groups[0]["lr"])
        trial.trainable.optimizer.step()
        trial.trainable.lr_schedule.step()
    assert rates == pytest.approx([1e-3] * 3 + [5e-4] * 3 + [3e-4] * 2)


def test_it_learns_to_tell_masses_apart(data: dict[str, str]) -> None:
    config = {"learning_rate": 0.01, "focal_gamma": 0.0, "width": 16, "num_point": 60, "epochs_pretrain": 8}
    trial = runner(data, **config, dropout=0.0, decay_step=9)
    reports = [trial.epoch() for _ in range(8)]
    assert reports[-1]["train_loss"] < 0.5 * reports[0]["train_loss"]
    assert reports[-1]["val_accuracy"] > 0.6 and reports[-1]["val_ari"] > 0.3


def test_reported_numbers(data: dict[str, str]) -> None:
    trial = runner(data, beta=3.0)
    first, second = trial.epoch(), trial.epoch()
    for phase in ("train", "val"):
        assert first[f"{phase}_loss"] == pytest.approx(first[f"{phase}_loss_cls"])
        parts = second[f"{phase}_loss_cls"] + 3 * second[f"{phase}_loss_cluster"]
        assert second[f"{phase}_loss"] == pytest.approx(parts, rel=1e-5)
    assert 1 / 3 <= first["val_accuracy"] <= 1 and -0.5 <= first["val_ari"] <= 1


def test_centroids_are_set_by_k_means_while_pretraining_and_learnt_after(data: dict[str, str]) -> None:
    trial = runner(data, epochs_pretrain=2)
    centroids = [trial.trainable.net.centroids.detach().clone()]
    for _ in range(3):
        trial.epoch()
        centroids.append(trial.trainable.net.centroids.detach().clone())
    assert not centroids[0].any() and centroids[1].any()
    # Adam moves each number by about the learning rate a step; k-means puts them anywhere.
    assert 0 < (centroids[3] - centroids[2]).abs().max() < 5 * 1e-3


def test_labels_are_not_learnt_from(data: dict[str, str], tmp_path: Path) -> None:
    """With other labels the losses stay the same to the bit; only the accuracy changes."""
    arrays = fakes.arrays(64, 1)
    arrays["label"] = arrays["label"][::-1].copy()
    schema.write_rows([schema.to_table(arrays)], tmp_path / "train.parquet", {})
    first, other = after(data), after({**data, "train": str(tmp_path / "train.parquet")})
    assert first["val_loss"] == other["val_loss"] and first["val_accuracy"] == other["val_accuracy"]


def test_validation_does_not_depend_on_the_batch_size(data: dict[str, str]) -> None:
    trial = runner(data)
    trial.epoch()
    found = []
    for size in (7, 33):
        trial.trainable.settings = trial.trainable.settings.model_copy(update={"batch_size": size})
        trial.trainable.model.eval()
        trial.trainable.samples_seen = 0
        with torch.no_grad():
            metrics = trial.trainable.validate()
        found.append((metrics["val_loss"][0], metrics["val_accuracy"]))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_anomaly_detection(events: dict[str, str]) -> None:
    trial = runner(events, task="anomaly", n_clusters=2, max_dim=2, nfeat=7, ncat=21)
    first, second = trial.epoch(), trial.epoch()
    assert second["train_loss_cls"] < first["train_loss_cls"]
    assert second["val_signal_purity"] == pytest.approx(second["val_enrichment"] / 3)
    assert 0 < second["val_signal_efficiency"] <= 1
    assert "val_accuracy" not in second


@pytest.mark.parametrize("task", ["multiclass", "anomaly"])
def test_the_model_for_use_assigns_as_validation_does(task: str, data: dict[str, str], events: dict[str, str]) -> None:
    trial = runner(events if task == "anomaly" else data, task=task)
    trial.epoch()
    model, examples = trial.trainable.inference()
    assert not model.training
    assert all(len(value) == 2 for value in examples.values())
    cluster, encoding, distances = model(**examples)
    assert cluster.shape == (2,) and encoding.shape == (2, 3)
    assert torch.equal(distances.argmin(1), cluster)


def test_the_model_for_use_can_be_exported(data: dict[str, str]) -> None:
    trial = runner(data)
    trial.epoch()
    model, examples = trial.trainable.inference()
    batch = torch.export.Dim("batch")
    exported = torch.export.export(model, (), examples, dynamic_shapes={"points": {0: batch}}).module()
    rows = trial.trainable.valid_rows[:9]["points"]
    for found, expected in zip(exported(points=rows), model(points=rows), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("task", "max_dim"), [("multiclass", 3), ("multiclass", 1), ("anomaly", 2)])
def test_figures_are_small_and_count_all_rows(
    task: str, max_dim: int, data: dict[str, str], events: dict[str, str]
) -> None:
    trial = runner(events if task == "anomaly" else data, task=task, max_dim=max_dim)
    trial.epoch()
    figures = trial.trainable.figures()
    assert list(figures) == ["Mass by cluster", "Latent space"]
    assert all(len(json.dumps(figure.to_plotly_json(), default=list)) < 300_000 for figure in figures.values())
    traces = figures["Mass by cluster"].data
    for true in (False, True):
        shown = sum(sum(trace.y) for trace in traces if trace.name.startswith("true") == true)
        assert shown == len(trial.trainable.valid_rows)


def test_configurations_and_data_that_cannot_be(data: dict[str, str], tmp_path: Path) -> None:
    for config, message in (
        ({"k": 30}, "'k' is 30, it should be at most 'num_point', 20"),
        ({"optimizer": "sgd"}, "'optimizer' is 'sgd'"),
        ({"alfa_step": 1.0}, "no hyperparameter 'alfa_step'; did you mean 'alpha_step'"),
    ):
        with pytest.raises(UserError, match=message):
            runner(data, **config)
    with pytest.raises(UserError, match="knows no 'test'"):
        UCluster.check_data({"test": "a.parquet"})
    with pytest.raises(UserError, match="no file"):
        UCluster.check_data({"train": str(tmp_path / "no.parquet"), "valid": data["valid"]})
    with pytest.raises(UserError, match="too few"):
        runner({**data, "max_events": 1})


def test_events_are_valid_data(events: dict[str, str]) -> None:
    UCluster.check_data(events)
    with pytest.raises(UserError, match="no column 'mass_cat'"):
        runner(events)
