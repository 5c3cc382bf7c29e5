"""The Ray Tune driver on a real local Ray, with real worker processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raise_hpo.decide import DecisionCore
from raise_hpo.drive.cluster import LocalRay
from raise_hpo.drive.draw import draw
from raise_hpo.drive.ray_tune import RayTuneDriver
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.journal import Event, Journal, JournalError
from raise_hpo.report.drawn import drawn_of, write_page
from raise_hpo.report.html import render
from raise_hpo.study import StudySpec
from raise_hpo.trial.runner import TrialRunner

from ..test_elastic import check
from ..toys import Drawing, Gradients, Sized

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own warnings are not ours to mend

SPACE = {"lr": "loguniform(1e-4, 1e-1)"}


@pytest.fixture(scope="module")
def ray() -> Iterator[LocalRay]:
    with LocalRay(cpus=4) as local:
        yield local


def run(
    ray: LocalRay, folder: Path, slots: int = 1, default: dict[str, Any] | None = None, **changes: Any
) -> tuple[History, list[Event]]:
    given = {
        "search_space": SPACE,
        "searcher": "random",
        "scheduler": "none",
        "max_epochs": 3,
        "budget": {"trials": 4},
        "default": False,
    }
    study = StudySpec.model_validate({"trainable": "tests.toys:Line", **given, **changes})
    events: list[Event] = []
    core = DecisionCore(study, events.extend, default)
    core.begin("driven", slots, {})
    RayTuneDriver(core, folder, ray.storage, slots).run()
    assert core.history.state == "finished"
    return core.history, events


def test_two_workers_have_the_gradient_of_one_worker_on_the_joint_batch(ray: LocalRay, tmp_path: Path) -> None:
    history, _ = run(
        ray, tmp_path, trainable="tests.toys:Gradients", search_space={"lr": "choice([0.1])"},
        max_epochs=1, budget={"trials": 1}, resources={"workers": 2},
    )  # fmt: skip
    two = history.trials[0].metrics[1]
    one = TrialRunner(Gradients, {"lr": 0.1})
    one.place.seed = history.study["seed"] * 1_000_003
    alone = TrialRunner(Gradients, {"lr": 0.1}, one.place).epoch()
    assert two["world_size"] == 2.0
    assert two["samples"] == 64.0
    names = [name for name in alone if name.startswith("gradient")]
    assert len(names) == 4
    for name in names:
        assert two[name] == pytest.approx(alone[name], abs=1e-6)


def test_a_trial_that_goes_on_with_two_workers_learns_as_one_would(ray: LocalRay, tmp_path: Path) -> None:
    """With a joint batch nothing changes but who computes it; the second stay goes on from the first's checkpoint."""
    history, events = run(
        ray, tmp_path, trainable="tests.toys:Sized", search_space={"lr": "choice([0.01])"}, slots=4,
        scheduler={"asha": {"min_epochs": 2}}, max_epochs=5, budget={"trials": 1},
        resources={"workers": {"rung 0": 1, "rung 1": 2}, "batch": "joint"},
    )  # fmt: skip
    trial = history.trials[0]
    assert [(stay.workers, stay.epoch) for stay in trial.stays] == [(1, 0), (2, 2)]
    assert [trial.metrics[epoch]["workers"] for epoch in range(1, 6)] == [1, 1, 2, 2, 2]
    assert sum(event["event"] == "reported" for event in events) == 5
    alone = TrialRunner(Sized, {**Sized.defaults, "lr": 0.01})
    alone.place.seed = history.study["seed"] * 1_000_003
    alone = TrialRunner(Sized, {**Sized.defaults, "lr": 0.01}, alone.place)
    losses = [alone.epoch()["val_loss"] for _ in range(5)]
    assert list(trial.values.values()) == pytest.approx(losses, rel=1e-4)
    assert losses[4] < 0.9 * losses[1]


def test_survivors_take_the_places_of_those_that_have_ended(ray: LocalRay, tmp_path: Path) -> None:
    history, events = run(
        ray, tmp_path, trainable="tests.toys:Sized", search_space={"epoch_seconds": "choice([0.01, 0.5])"},
        searcher="grid", slots=4, max_epochs=30, budget={"trials": 2},
        resources={"survivors": 4, "lr_scaling": "linear"},
    )  # fmt: skip
    check(events)
    slow = next(trial for trial in history.trials if trial.config["epoch_seconds"] == 0.5)
    assert [stay.workers for stay in slow.stays] == [1, 2, 4]
    for trial in history.trials:
        assert sorted(trial.values) == list(range(1, 31))
        for epoch, metrics in trial.metrics.items():
            stay = next(stay for stay in reversed(trial.stays) if stay.epoch < epoch)
            assert metrics["workers"] == stay.workers
            assert metrics["rate"] == pytest.approx(Sized.defaults["lr"] * stay.workers * 0.98**epoch)


def test_workers_and_their_learning_rate_are_searched_for(ray: LocalRay, tmp_path: Path) -> None:
    searched = {"resources.workers": "choice([1, 3])", "resources.lr_scaling": "choice([linear, sqrt])"}
    space = {"lr": "choice([0.01])", **searched}
    history, events = run(ray, tmp_path, trainable="tests.toys:Sized", search_space=space, searcher="grid", slots=4)
    check(events)
    assert len(history.trials) == 4
    for trial in history.trials:
        workers, rule = trial.config["resources.workers"], trial.config["resources.lr_scaling"]
        factor = workers if rule == "linear" else workers**0.5
        for epoch, metrics in trial.metrics.items():
            assert metrics["workers"] == workers
            assert metrics["rate"] == pytest.approx(0.01 * factor * 0.98**epoch)


def test_slots_of_all_sizes_are_used_again_or_make_room(ray: LocalRay, tmp_path: Path) -> None:
    """Trials start with one worker while others need two: idle slots of one size never block another."""
    history, events = run(
        ray, tmp_path, trainable="tests.toys:Sized", slots=2, max_epochs=3, budget={"trials": 4},
        scheduler={"asha": {"mode": "promotion", "reduction_factor": 2}},
        resources={"workers": {"rung 0": 1, "rung 1": 2}},
    )  # fmt: skip
    check(events)
    stays = [stay for trial in history.trials for stay in trial.stays]
    assert {stay.workers for stay in stays} == {1, 2}
    slots = {stay.slot: stay.workers for stay in stays}
    assert all(slots[stay.slot] == stay.workers for stay in stays)
    assert len(slots) < len(stays)
    for trial in history.trials:
        for epoch, metrics in trial.metrics.items():
            assert metrics["workers"] == (2 if epoch > 1 else 1)


def test_a_slot_keeps_its_process_group_over_trials(ray: LocalRay, tmp_path: Path) -> None:
    history, _ = run(
        ray, tmp_path, trainable="tests.toys:Where", resources={"workers": 2}, budget={"trials": 20}, max_epochs=2
    )
    assert history.counts()["finished"] == 20
    for what in ("process", "group"):
        assert len({trial.metrics[epoch][what] for trial in history.trials for epoch in (1, 2)}) == 1


def test_promotions_go_on_from_their_checkpoints(ray: LocalRay, tmp_path: Path) -> None:
    history, events = run(
        ray,
        tmp_path,
        slots=2,
        scheduler={"asha": {"mode": "promotion", "reduction_factor": 2}},
        max_epochs=4,
        budget={"trials": 8},
    )
    promoted = [trial for trial in history.trials if len(trial.stays) > 1]
    assert promoted
    for trial in promoted:
        assert all(stay.epoch > 0 for stay in trial.stays[1:])
    reported = [(event["trial"], event["epoch"]) for event in events if event["event"] == "reported"]
    assert len(set(reported)) == len(reported)
    best = history.best()
    assert best is not None and best.checkpoint is not None
    assert (tmp_path / best.checkpoint[1]).is_file()


def test_same_seed_same_journal_apart_from_times(ray: LocalRay, tmp_path: Path) -> None:
    def played(name: str) -> list[Event]:
        asha = {"asha": {"mode": "promotion"}}
        return [
            timeless(event)
            for event in run(ray, tmp_path / name, searcher="tpe", scheduler=asha, budget={"trials": 12})[1]
        ]

    first, second = played("one"), played("two")
    assert {event["event"] for event in first} >= {
        "suggested",
        "started",
        "reported",
        "checkpointed",
        "decided",
        "finished",
    }
    assert first == second


def timeless(event: Event) -> Event:
    """An event without what measures time."""
    kept = {key: value for key, value in event.items() if key not in ("time", "began", "first_batch")}
    if "metrics" in kept:
        timed = ("seconds", "samples_per_second", "energy_joule", "inference_seconds")
        kept["metrics"] = {name: value for name, value in kept["metrics"].items() if name not in timed}
    return kept


def test_each_way_to_break_is_recorded_with_its_cause_and_the_study_goes_on(ray: LocalRay, tmp_path: Path) -> None:
    ways = ["not", "build", "raise", "memory", "nan", "no metric", "killed", "killed once", "slow"]
    history, _ = run(
        ray, tmp_path, slots=2, trainable="tests.toys:Breaks", search_space={"how": {"choice": ways}}, searcher="grid",
        budget={"trials": 20}, data={"marker": str(tmp_path / "marker")}, limits={"attempts": 2, "epoch_seconds": 5},
    )  # fmt: skip
    found = {trial.config["how"]: trial for trial in history.trials}
    kinds = {how: trial.failure and trial.failure[0] for how, trial in found.items()}
    assert kinds == {
        "not": None, "build": "error", "raise": "error", "memory": "oom", "nan": "nan", "no metric": "no_metric",
        "killed": "killed", "killed once": None, "slow": "timeout",
    }  # fmt: skip
    assert found["build"].why == f"error: ValueError: the layers do not fit (toys.py line {_line('do not fit')})"
    assert found["no metric"].why.startswith("no_metric: the objective 'val_loss' was not reported; reported: ")
    assert " loss," in found["no metric"].why
    assert (found["killed"].attempt, found["killed once"].attempt) == (2, 2)
    assert found["killed once"].epoch == 3
    log = tmp_path / "logs" / f"trial-{found['raise'].number:04d}.log"
    assert "Traceback" in log.read_text() and "something in the data" in log.read_text()


def _line(words: str) -> int:
    lines = (Path(__file__).parent.parent / "toys.py").read_text().splitlines()
    return 1 + next(number for number, line in enumerate(lines) if words in line)


def test_a_study_gives_slots_back_and_takes_them_again(
    ray: LocalRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slots are none at first, then three, one and three; what it gives back is free for others."""
    import ray as cluster

    from raise_hpo.drive.cluster import Capacity

    # Real studies wait a little, in case Tune has not noticed yet that trials are lost.
    monkeypatch.setattr("raise_hpo.drive.ray_tune._UNNOTICED_SECONDS", 0.0)
    study = StudySpec.model_validate(
        {
            "trainable": "tests.toys:Line", "search_space": SPACE, "searcher": "random", "scheduler": "none",
            "max_epochs": 8, "budget": {"trials": 5}, "default": False, "config": {"epoch_seconds": 0.4},
            "checkpoints": {"every": 8},
        }
    )  # fmt: skip
    events: list[Event] = []
    core = DecisionCore(study, events.extend)
    asked = [0]
    free: list[float] = []

    def capacity() -> Capacity:
        asked[0] += 1
        handed_back = sum(event["event"] == "handed_back" for event in events)
        if asked[0] < 3:
            return Capacity(0, ("here",), 0)
        if handed_back >= 2:
            free.append(cluster.available_resources().get("CPU", 0))
        three = core.history.epochs < 6 or any(cpus >= 3 for cpus in free)
        slots = 3 if three else 1
        return Capacity(slots, ("here",), slots)

    core.begin("sharing", 0, {})
    RayTuneDriver(core, tmp_path, ray.storage, 0, capacity=capacity).run()
    assert core.history.state == "finished" and core.history.counts()["finished"] == 5
    assert [event["slots"] for event in events if event["event"] == "capacity"][:4] == [0, 3, 1, 3]
    assert sum(event["event"] == "handed_back" for event in events) == 2
    reported = [(event["trial"], event["epoch"]) for event in events if event["event"] == "reported"]
    assert len(set(reported)) == len(reported) == 5 * 8
    for trial in core.history.trials:
        assert all(before.epoch < after.epoch for before, after in zip(trial.stays, trial.stays[1:], strict=False))
    assert not StudyFolder(tmp_path).hand_back.exists()


def test_fractional_resources_share_a_core(ray: LocalRay, tmp_path: Path) -> None:
    from raise_hpo.drive.cluster import find_capacity

    assert find_capacity(workers=1, cpus=0.5, gpus=0).slots == 8
    found = find_capacity(workers=3, cpus=1, gpus=0)
    assert (found.slots, found.places) == (1, 4)
    history, _ = run(ray, tmp_path, slots=2, resources={"cpus": 0.5}, max_epochs=1)
    assert history.counts()["finished"] == 4


def test_fractions_of_a_gpu_do_not_reach_over_two() -> None:
    from raise_hpo.drive.cluster import _gpu_places

    assert [_gpu_places(4, share) for share in (0.25, 0.4, 0.5, 1, 2)] == [16, 8, 8, 4, 2]


def test_a_journal_that_cannot_be_written_ends_the_run_with_its_sentence(ray: LocalRay, tmp_path: Path) -> None:

    def full(events: list[Event]) -> None:
        if any(event["event"] == "reported" for event in events):
            raise JournalError("journal.jsonl cannot be written (No space left on device)")

    study = StudySpec.model_validate({"trainable": "tests.toys:Line", "search_space": SPACE, "max_epochs": 3})
    core = DecisionCore(study, full)
    core.begin("full", 1, {})
    with pytest.raises(JournalError, match="No space left on device"):
        RayTuneDriver(core, tmp_path, ray.storage, 1).run()


def test_one_process_runs_one_study_after_another(tmp_path: Path) -> None:
    """As a notebook does, in which Ray has been imported and used before."""
    code = (
        "import ray\n"
        "from raise_hpo.drive.cluster import LocalRay, find_capacity\n"
        "for _ in range(2):\n"
        "    with LocalRay(cpus=2) as local:\n"
        "        print(find_capacity(1, 1, 0).slots, oct((local.folder / 'token').stat().st_mode)[-3:])\n"
        "    assert not local.folder.exists()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.stdout.split() == ["2", "600", "2", "600"], done.stderr


def test_a_slot_does_not_import_torch() -> None:
    code = "import sys, raise_hpo.drive.slot; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_ray_of_the_users_own_is_left_alone(ray: LocalRay) -> None:
    with pytest.raises(UserError, match=r"connected to a Ray cluster of its own; call ray.shutdown\(\) first"):
        LocalRay().__enter__()


@pytest.mark.parametrize(("trainable", "failure"), [("Drawing", ""), ("Clumsy", "error: ZeroDivisionError: no ink")])
def test_the_best_trials_figures_are_drawn_from_its_checkpoint(
    ray: LocalRay, tmp_path: Path, trainable: str, failure: str
) -> None:
    folder = StudyFolder(tmp_path)
    given = {"search_space": SPACE, "searcher": "random", "scheduler": "none", "max_epochs": 2, "budget": {"trials": 2}}
    study = StudySpec.model_validate({"trainable": f"tests.toys:{trainable}", "default": False, **given})
    with Journal(folder.journal) as journal:
        core = DecisionCore(study, journal.append, None)
        core.begin("drawn", 1, {})
        driver = RayTuneDriver(core, tmp_path, ray.storage, 1)
        driver.run()
    best = core.history.best()
    assert best is not None
    spec, model = driver.spec_of(best), folder.best_model(core.history)
    assert model is not None
    draw(model, spec, study.resources, spec.log_file)
    drawn = drawn_of(folder, core.history)
    assert drawn.of == f"trial {best.number} after epoch 2"
    assert drawn.failure.startswith(failure) and bool(drawn.failure) == bool(failure)
    page = render(core.history, folder)
    if failure:
        assert "could not be drawn: error: ZeroDivisionError: no ink (toys.py line" in page
        assert "Traceback" in folder.log_file(best.number).read_text()
        return
    assert list(drawn.titles.values()) == ["What it <has> learnt"] and "What it &lt;has&gt; learnt" in page
    [figure] = drawn.figures.values()
    runner = TrialRunner(Drawing, best.config | {"width": 8, "dropout": 0.1, "batch_size": 32, "epoch_seconds": 0.0})
    assert best.checkpoint is not None
    runner.load((tmp_path / best.checkpoint[1]).read_bytes())
    assert figure["data"] == runner.figures()["What it <has> learnt"]["data"]
    write_page(folder, core.history)
    assert "What it &lt;has&gt; learnt" in folder.figures_page.read_text()
    told = json.loads(folder.figures.read_text())
    for other in ({"trial": best.number + 1}, {"epoch": 1}):
        folder.figures.write_text(json.dumps(told | other))
        assert not drawn_of(folder, core.history).figures
