"""Which study and which configuration a training is of, and one sentence for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.journal import Event, Journal
from raise_hpo.train.choose import choose
from raise_hpo.train.folder import find_training, new_training_folder, trainings_of
from raise_hpo.train.plan import Plan
from raise_hpo.train.training import Training

from ..helpers import simulator, spec

STUDY = {
    "trainable": "tests.toys:Line",
    "name": "line",
    "search_space": {"lr": "loguniform(1e-4, 1e-1)", "width": "choice([4, 8, 16])"},
    "scheduler": "none",
    "searcher": "random",
    "max_epochs": 3,
    "budget": {"trials": 4},
    "config": {"batch_size": 64},
}


def curve(config: dict[str, Any], epoch: int) -> dict[str, float]:
    return {"val_loss": 10 * config["lr"] + 1 / epoch, "seconds": 1.0}


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return path


def ran(studies: Path, called: str = "line-1", **changes: Any) -> StudyFolder:
    """A study that has run."""
    study, events = spec(**{**STUDY, **changes}), list[Event]()
    simulator(study, events, default={"lr": 0.0003, "width": 8}, curve=curve).run()
    folder = StudyFolder(studies / called)
    folder.path.mkdir(parents=True)
    folder.study_file.write_text(study.to_yaml())
    with Journal(folder.journal) as journal:
        journal.append([{**event, "name": called} if event["event"] == "study" else event for event in events])
    return folder


@pytest.mark.parametrize("by", ["name", "folder", "file", "nothing"])
def test_the_best_of_the_last_run(studies: Path, study_file: Path, by: str) -> None:
    ran(studies, "other-1", name="other")
    run = ran(studies)
    reference = {"name": "line-1", "folder": str(run.path), "file": str(study_file), "nothing": None}[by]
    choice = choose(reference, "best", [])
    best = run.history().best()
    assert best is not None
    assert (choice.run, choice.trial, choice.config) == (run, best.number, best.config)
    assert choice.source == f"trial {best.number} of line-1"
    assert choice.home == run.path


def test_a_trial_by_its_number_and_the_default(studies: Path) -> None:
    run = ran(studies)
    assert choose("line-1", "2", []).config == run.history().trials[2].config
    default = choose("line-1", "default", [])
    assert (default.config, default.trial) == ({"lr": 0.0003, "width": 8}, 0)


def test_a_file_of_a_configuration_nested_or_flat(studies: Path, study_file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("lr: 1e-2\nwidth: 32\n")
    choice = choose(str(study_file), str(tmp_path / "mine.yaml"), [])
    assert (choice.config, choice.run, choice.trial) == ({"lr": 0.01, "width": 32}, None, None)
    assert choice.home == studies / "line"


def test_a_file_tells_resources_that_were_searched_for(studies: Path, study_file: Path, tmp_path: Path) -> None:
    """As best/config.yaml of a study does whose search space has them."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("lr: 1e-2\nresources.workers: 4\nresources.lr_scaling: sqrt\n")
    choice = choose(str(study_file), str(mine), [])
    got = choice.study.resources_of(choice.config)
    assert (got.starting_workers, got.lr_scaling) == (4, "sqrt")
    mine.write_text("resources.workers: many\n")
    with pytest.raises(UserError, match=r"mine.yaml: resources: workers is 'many', but must be a whole number"):
        choose(str(study_file), str(mine), [])


def test_what_is_set_goes_over_the_study_file(studies: Path) -> None:
    ran(studies)
    choice = choose("line-1", "best", ["resources.lr_scaling=linear", "config.batch_size=16", "data.marker=x"])
    assert choice.study.resources.lr_scaling == "linear"
    assert choice.study.config == {"batch_size": 16}
    assert choice.study.data == {"marker": "x"}


@pytest.mark.parametrize(
    ("reference", "wanted", "words"),
    [
        ("lin-1", "best", ["'lin-1' is neither a study", "did you mean 'line-1'"]),
        ("line-1", "bets", ["--config bets", "neither a file nor a trial's number", "did you mean 'best'"]),
        ("line-1", "17", ["study line-1 has 4 trials"]),
        ("line-1", "{wrong}", ["'widht' is not a setting of Line", "did you mean 'width'"]),
        ("{file}", "best", ["there is no run of", "raise-hpo tune"]),
    ],
)
def test_a_mistake_is_one_sentence(
    studies: Path, study_file: Path, tmp_path: Path, reference: str, wanted: str, words: list[str]
) -> None:
    ran(studies, **({"name": "other"} if reference == "{file}" else {}))
    (tmp_path / "wrong.yaml").write_text("widht: 3\n")
    given = {"file": study_file, "wrong": tmp_path / "wrong.yaml"}
    with pytest.raises(UserError) as error:
        choose(reference.format(**given), wanted.format(**given), [])
    assert all(word in str(error.value) for word in words), error.value
    assert "\n" not in str(error.value)


def test_without_any_study_it_says_what_to_do(studies: Path) -> None:
    with pytest.raises(UserError, match=r"no study in .*raise-hpo train study.yaml"):
        choose(None, "best", [])


# Which training a command goes on with


def left(training: Training, state: str, epochs: int) -> None:
    """A training's folder as a session leaves it."""
    training.folder = new_training_folder(training.plan.choice.home)
    told = [{"event": "reported", "trial": 0, "epoch": n + 1, "metrics": {"val_loss": 1.0}} for n in range(epochs)]
    training.plan.keep(training.folder)
    with Journal(training.folder.journal) as journal:
        journal.append(
            [*training.plan.first_events(training.folder.name), *told, {"event": "stopped", "state": state, "why": ""}]
        )


def plan(config: str = "best", epochs: int = 5, **how: Any) -> Plan:
    return Plan(choose("line-1", config, []), epochs, how.pop("workers", 1), **how)


def test_the_same_command_goes_on_whatever_the_workers_and_epochs(studies: Path) -> None:
    ran(studies)
    left(Training(plan()), "interrupted", 2)
    assert Training(plan(workers=2, epochs=7)).found == trainings_of(studies / "line-1")[0]


@pytest.mark.parametrize("other", [{"seed": 9}, {"config": "default"}, {"fresh": True}])
def test_another_training_gets_a_folder_of_its_own(studies: Path, other: dict[str, Any]) -> None:
    ran(studies)
    left(Training(plan()), "interrupted", 2)
    fresh = other.pop("fresh", False)
    assert Training(plan(**other), fresh).found is None


def test_a_finished_one_is_not_trained_again(studies: Path) -> None:
    ran(studies)
    left(Training(plan()), "finished", 5)
    with pytest.raises(UserError, match=r"line-1/training-1 .* is finished .*--epochs.*--fresh"):
        Training(plan())
    assert Training(plan(epochs=6)).found is not None
    assert Training(plan(), fresh=True).found is None


def test_the_training_says_what_it_is_as_a_study_of_one_trial(studies: Path) -> None:
    run = ran(studies)
    study = Training(plan(epochs=40, workers=2, seed=3)).study
    assert (study.max_epochs, study.seed, study.budget.trials) == (40, 3, 1)
    assert study.resources.starting_workers == 2
    assert study.tracking.mlflow == f"sqlite:///{run.mlflow.resolve()}"


def test_trainings_are_found_by_name_and_numbered(studies: Path) -> None:
    ran(studies)
    left(Training(plan()), "interrupted", 2)
    left(Training(plan()), "interrupted", 2)
    found = find_training("line-1/training-2")
    assert found is not None and found.name == "line-1/training-2"
    assert find_training(str(found.path)) == found
    assert find_training("line-1") is None
    with pytest.raises(UserError, match=r"did you mean 'line-1/training-\d'"):
        find_training("line-1/training-7")
