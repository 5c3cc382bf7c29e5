"""Numbers of workers and rules for the learning rate that a study searches for, as dimensions of its search space."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from raise_hpo.defaults import default_config
from raise_hpo.drive.simulator import Costs
from raise_hpo.errors import UserError
from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.session import set_up
from raise_hpo.study import StudyError, StudySpec, load_study_file

from .helpers import SPACE, simulator, spec
from .test_elastic import check, check_killed_and_resumed
from .toys import Line

SEARCHED = {"resources.workers": "choice([1, 2, 4])", "resources.lr_scaling": 'choice(["off", linear, sqrt])'}


def searched(space: dict[str, Any] = SEARCHED, **changes: Any) -> StudySpec:
    return spec(**{"search_space": {**SPACE, **space}, "default": False, **changes})


def run(study: StudySpec, **how: Any) -> tuple[History, list[Event]]:
    events: list[Event] = []
    assert simulator(study, events, **how).run()
    check(events)
    return History(events), events


def test_each_trial_starts_with_the_workers_of_its_configuration() -> None:
    history, _ = run(searched(scheduler="none"), slots=5)
    assert {trial.config["resources.workers"] for trial in history.trials} == {1, 2, 4}
    for trial in history.trials:
        assert {stay.workers for stay in trial.stays} == {trial.config["resources.workers"]}


def test_a_trial_that_is_resumed_has_the_workers_of_its_configuration() -> None:
    history, _ = run(searched(), slots=4)
    assert any(len(trial.stays) > 1 and trial.config["resources.workers"] > 1 for trial in history.trials)
    for trial in history.trials:
        assert {stay.workers for stay in trial.stays} == {trial.config["resources.workers"]}


def test_a_configuration_tells_what_its_trial_gets() -> None:
    study = searched(resources={"workers": 2, "lr_scaling": "sqrt", "cpus": 3})
    assert (study.elastic, study.most_workers, study.resources.elastic) == (True, 4, False)
    got = study.resources_of({"lr": 1, "resources.workers": 4, "resources.lr_scaling": "linear"})
    assert (got.starting_workers, got.lr_scaling, got.cpus) == (4, "linear", 3)
    assert study.resources_of({"lr": 1}) == study.resources, "where the dimensions are not active"
    only_rule = searched({"resources.lr_scaling": SEARCHED["resources.lr_scaling"]})
    assert (only_rule.elastic, only_rule.most_workers) == (False, 1)


def test_the_default_configuration_has_the_study_s_own() -> None:
    study = StudySpec(
        trainable="tests.toys:Line", search_space={"lr": "uniform(0, 1)", **SEARCHED}, resources={"workers": 2}
    )
    config = default_config(study, Line)
    assert config == {"lr": 0.0003, "resources.workers": 2, "resources.lr_scaling": "off"}
    fixed = study.changed(search_space={"lr": "uniform(0, 1)"}, config={"resources": {"workers": 2}})
    with pytest.raises(UserError, match=r"config: 'resources.workers' is not a setting of tests.toys:Line"):
        default_config(fixed, Line)


def test_it_is_written_into_the_study_s_folder_and_read_again(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("RAISE_HPO_STUDIES", str(tmp_path))
    folder, _ = set_up(searched(), "study")
    assert load_study_file(str(folder.study_file)).space.dimensions == searched().space.dimensions


@pytest.mark.parametrize(
    ("space", "resources", "told"),
    [
        ({"resources.workers": "choice([1, 0])"}, {}, "search_space.resources.workers is choice"),
        ({"resources.workers": "choice([1, true])"}, {}, "search_space.resources.workers is choice"),
        ({"resources.workers": "uniform(1, 4)"}, {}, "must be whole numbers of at least 1, such as choice"),
        ({"resources.workers": "quniform(0.5, 4, 0.5)"}, {}, "must be whole numbers of at least 1, such as choice"),
        (
            {"resources.workers": "randint(1, 5)"},
            {"workers": {"rung 1": 2}},
            "resources.workers is by rung, but the search space has resources.workers too",
        ),
        (
            {"resources.workers": "lograndint(1, 1000000000)"},
            {"survivors": 4},
            "resources.survivors is 4, but must be at least 999999999, the most of search_space.resources.workers",
        ),
        ({"resources.lr_scaling": "choice([off, linear])"}, {}, "in quotes, else it is read as false"),
        ({"resources.lr_scaling": "choice([linaer, linear])"}, {}, "has 'linaer'; valid are"),
        (
            {"resources.lr_scaling": "choice([linear, sqrt])"},
            {"batch": "joint"},
            "resources.batch is joint, with which the joint batch does not grow",
        ),
    ],
)
def test_what_cannot_be_is_said(space: dict[str, str], resources: dict[str, Any], told: str) -> None:
    with pytest.raises(StudyError) as raised:
        searched(space, resources=resources, scheduler="asha")
    assert told in str(raised.value)


def test_killed_anywhere_and_resumed_it_decides_the_same() -> None:
    """One trial at a time: none leaves room for another on its four places."""
    study = searched({"resources.workers": "choice([3, 4])"}, budget={"trials": 12})
    check_killed_and_resumed(study, places=4, workers={3, 4}, seeds=3)


@pytest.mark.parametrize("seed", range(4))
def test_nodes_that_break_give_no_place_twice_and_leave_no_trial(seed: int) -> None:
    often = Costs(failures_per_node_hour=60, recovery_seconds=5, slots_per_node=2)
    study = searched(resources={"survivors": 8}, limits={"attempts": 99}, seed=seed)
    history, events = run(study, slots=6, costs=often, seed=seed)
    assert {trial.state for trial in history.trials} <= {"finished", "stopped"}
    reported = Counter((event["trial"], event["epoch"]) for event in events if event["event"] == "reported")
    assert set(reported.values()) == {1}


def test_recorded_seconds_are_those_of_the_recorded_workers() -> None:
    """Curves know how long a configuration's epochs took, and so with how many workers."""
    study = searched({"resources.workers": "choice([4])"}, scheduler="none", budget={"trials": 1})
    events: list[Event] = []
    assert simulator(study, events, slots=4).run()
    assert events[-1]["time"] == pytest.approx(9.0)
