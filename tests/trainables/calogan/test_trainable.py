"""3DGAN as raise-hpo tunes it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from raise_hpo.errors import UserError
from raise_hpo.space import SearchSpace
from raise_hpo.study import load_study_file
from raise_hpo.testing.trainables import TrainableContract
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place, Trainable
from trainables.calogan.schema import Shower, write_showers
from trainables.calogan.settings import PUBLISHED, Settings
from trainables.calogan.trainable import CaloGAN, warm_up

SMALL = {"width": 0.05, "latent_size": 8, "batch_size": 4}
CHANGES = {
    "generator_lr": 1e-4,
    "discriminator_lr": 1e-4,
    "batch_size": 3,
    "generator_steps": 1,
    "width": 0.25,
    "latent_size": 16,
    "dropout": 0.4,
    "label_flip": 0.4,
    "generation_weight": 6.0,
    "energy_weight": 1.0,
    "sum_weight": 2.0,
    "scale": 30.0,
    "power": 0.85,
}
# With one worker and at a fixed angle, these have nothing to act on.
ELSEWHERE = {"warmup_epochs", "angle_weight"}


def blobs(path: Path, count: int, seed: int, shape: tuple[int, int, int] = (25, 25, 25)) -> str:
    rng, (x, y, z) = np.random.default_rng(seed), np.indices(shape)
    middle = [size // 2 for size in shape]
    blob = np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / 4 - (z - middle[2]) ** 2 / 30)
    energies = rng.uniform(10, 500, count)
    write_showers(
        (Shower((blob * rng.random(shape) * e / 1e4).astype(np.float32), e) for e in energies), path, {"seed": seed}
    )
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("showers")
    return {"train": blobs(folder / "train.parquet", 8, 1), "valid": blobs(folder / "valid.parquet", 6, 2)}


def runner(data: dict[str, Any], **config: Any) -> TrialRunner:
    return TrialRunner(CaloGAN, {**CaloGAN.defaults, **SMALL, **config}, Place(data=data))


class TestContract(TrainableContract):
    metric = "val_physics"

    @pytest.fixture(autouse=True)
    def _showers(self, data: dict[str, str]) -> None:
        self.data = data

    def trainable(self) -> type[Trainable]:
        class Small(CaloGAN):
            defaults: ClassVar[Mapping[str, Any]] = {**CaloGAN.defaults, **SMALL}

        return Small


def test_all_hyperparameters_are_known_to_these_tests():
    assert set(CHANGES) | ELSEWHERE == set(CaloGAN.defaults)


@pytest.fixture(scope="module")
def base(data: dict[str, str]) -> dict[str, float]:
    return runner(data).epoch()


@pytest.mark.parametrize("key", CHANGES)
def test_every_hyperparameter_acts(key: str, data: dict[str, str], base: dict[str, float]) -> None:
    changed = runner(data, **{key: CHANGES[key]}).epoch()
    assert changed["val_physics"] != base["val_physics"]


def test_the_search_space_holds_the_defaults_and_nothing_unknown() -> None:
    for key, dimension in SearchSpace.load("calogan").dimensions.items():
        assert dimension.contains(CaloGAN.defaults[key]), key


def test_the_published_settings_are_settings() -> None:
    assert all(Settings(**changes).width == 1 for changes in PUBLISHED.values())


def test_it_learns_the_energy(data: dict[str, str]) -> None:
    trial = runner(data, sum_weight=1.0, generator_lr=5e-3)
    found = [trial.epoch() for _ in range(15)]
    assert found[-1]["generator_loss_sum"] < 0.5 * found[0]["generator_loss_sum"]


def test_reported_numbers(base: dict[str, float]) -> None:
    parts = [base[f"generator_loss_{name}"] for name in ("generation", "energy", "sum")]
    assert base["generator_loss"] == pytest.approx(2 * parts[0] + 0.1 * parts[1] + 0.1 * parts[2], rel=1e-4)
    assert all(0 <= value <= 1 for name, value in base.items() if name.startswith("val_"))
    assert "val_angle" not in base


def test_nan_is_not_hidden(data: dict[str, str]) -> None:
    trial = runner(data)
    with torch.no_grad():
        next(trial.trainable.generator.parameters()).fill_(math.nan)
    assert math.isnan(trial.epoch()["val_physics"])


def test_the_score_does_not_depend_on_the_batch_size(data: dict[str, str]) -> None:
    trial = runner(data)
    trial.trainable.generator.eval()
    scores = []
    with torch.no_grad():
        for size in (2, 6):
            trial.trainable.settings = trial.trainable.settings.model_copy(update={"batch_size": size})
            scores.append(trial.trainable.validate()["val_physics"])
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


def test_showers_with_an_angle_are_trained_on_too(tmp_path: Path) -> None:
    data = {name: blobs(tmp_path / f"{name}.parquet", 2, 3, (51, 51, 25)) for name in ("train", "valid")}
    metrics = runner(data, batch_size=2, generator_steps=1, **{"power": 0.85, "scale": 50.0}).epoch()
    assert math.isfinite(metrics["val_physics"]) and 0 <= metrics["val_angle"] <= 1
    assert metrics["generator_loss_angle"] > 0


def test_a_training_starts_from_the_weights_of_another(data: dict[str, str], tmp_path: Path) -> None:
    first = runner(data)
    first.epoch()
    (tmp_path / "trained.pt").write_bytes(first.save())
    second = runner({**data, "weights": str(tmp_path / "trained.pt")})
    for name, weights in first.trainable.generator.state_dict().items():
        assert torch.equal(weights, second.trainable.generator.state_dict()[name])
    assert second.trainable.epoch == 0
    with pytest.raises(UserError, match="width, latent_size and cells must be the same"):
        runner({**data, "weights": str(tmp_path / "trained.pt")}, latent_size=9)


def test_a_model_to_use_takes_what_event_files_hold(data: dict[str, str]) -> None:
    model, inputs = runner(data).trainable.inference()
    assert list(inputs) == ["energy", "theta", "noise"] and inputs["energy"].min() >= 10
    with torch.no_grad():
        assert model(**inputs).shape == (2, 25, 25, 25)


def test_a_model_to_use_is_exported_for_any_number_of_showers(data: dict[str, str]) -> None:
    model, inputs = runner(data).trainable.inference()
    batch = {name: {0: torch.export.Dim("batch")} for name in inputs}
    exported = torch.export.export(model, (), inputs, dynamic_shapes=batch, strict=False).module()
    more = {name: value.repeat(3, *[1] * (value.dim() - 1)) for name, value in inputs.items()}
    torch.testing.assert_close(exported(**more), model(**more))


def test_figures_are_plots_by_title(data: dict[str, str]) -> None:
    found = runner(data).trainable.figures()
    assert "Longitudinal profile" in found and len(found["Longitudinal profile"].data) > 2


def test_the_learning_rate_warms_up_from_that_of_one_worker() -> None:
    assert [warm_up(4, 5, epoch) for epoch in (0, 5, 9)] == pytest.approx([0.25, 1.0, 1.0])
    assert warm_up(4, 5, 2) == pytest.approx(0.25 + 0.75 * 0.4)
    assert warm_up(1, 5, 0) == warm_up(4, 0, 0) == 1.0


@pytest.mark.parametrize(
    ("config", "words"),
    [({"widht": 1.0}, "did you mean 'width'"), ({"label_flip": 0.5}, "'label_flip' is 0.5.*less than 0.5")],
)
def test_an_impossible_configuration_is_told(config: dict[str, Any], words: str, data: dict[str, str]) -> None:
    with pytest.raises(UserError, match=words):
        runner(data, **config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": "x"}, "knows no 'weight'"),
        ({"valid": None}, "'train' is given without 'valid'"),
        ({"weights": "/nowhere.pt"}, "no checkpoint 'weights: /nowhere.pt'"),
        ({"weights": __file__}, "is not a checkpoint of calogan"),
        ({"train": "/nowhere.parquet"}, "no file '/nowhere.parquet'"),
    ],
)
def test_impossible_data_are_told(changes: dict[str, Any], words: str, data: dict[str, str]) -> None:
    with pytest.raises(UserError, match=words):
        CaloGAN.check_data({**data, **changes})


def test_more_workers_than_showers_are_told(data: dict[str, str]) -> None:
    with pytest.raises(UserError, match="8 training showers are too few for 9 workers"):
        TrialRunner(CaloGAN, {**CaloGAN.defaults, **SMALL}, Place(data=data, world_size=9))


def test_the_study_that_comes_with_it_can_be_read() -> None:
    study = load_study_file(Path(__file__).parents[3] / "trainables" / "calogan" / "study.yaml")
    assert study.trainable == study.name == "calogan" and study.objective.metric == "val_physics"
    assert set(study.space.dimensions) <= set(CaloGAN.defaults)
