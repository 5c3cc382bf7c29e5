"""`raise-hpo train` on a real Ray: several workers, workers and drivers that are killed, and an MLflow that is away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from rich.console import Console

from raise_hpo.drive.cluster import LocalRay
from raise_hpo.history import History
from raise_hpo.journal import Event, read
from raise_hpo.report.drawn import drawn_of
from raise_hpo.train import training as module
from raise_hpo.train.choose import choose
from raise_hpo.train.folder import TrainingFolder, trainings_of
from raise_hpo.train.plan import Plan
from raise_hpo.train.training import Training
from raise_hpo.train.words import closing_words, training_summary
from raise_hpo.trial.make import make_runner

from ..toys import Drawing
from .stretches import events, order, progress, stretch, tensors

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own warnings are not ours to mend

ROOT = Path(__file__).resolve().parent.parent.parent
STUDY: dict[str, Any] = {
    "trainable": "tests.toys:Line",
    "name": "line",
    "search_space": {"lr": "loguniform(1e-4, 1e-1)"},
    "max_epochs": 8,
    "config": {"batch_size": 64},
    "seed": 5,
}


@pytest.fixture(scope="module")
def ray() -> Iterator[LocalRay]:
    with LocalRay(cpus=4) as local:
        yield local


@pytest.fixture(autouse=True)
def no_waiting_for_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TRACKER_SECONDS", 0.1)


def trained(
    folder: Path, epochs: int, workers: int, view: Callable[[Event, History], None] = lambda event, history: None,
    **changes: Any,
) -> TrainingFolder:  # fmt: skip
    """Train the default configuration of a study file on the Ray that is connected."""
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump({**STUDY, **changes}))
    plan = Plan(choose(str(file), "default", []), epochs, workers)
    training = Training(plan, fresh=True, view=view, ray=nullcontext())  # type: ignore[arg-type]
    training.run()
    return training.folder


def final(folder: TrainingFolder) -> dict[str, bytes]:
    return tensors((folder.path / folder.checkpoint(progress(folder).epoch)).read_bytes())


def workers_of(process: int | None = None) -> list[psutil.Process]:
    """Ray Train's workers below a process, this one if not given."""
    below = psutil.Process(process).children(recursive=True)
    return [each for each in below if any("RayTrainWorker" in word for word in each.cmdline())]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_worker_costs_the_epochs_since_the_checkpoint_and_changes_nothing(
    ray: LocalRay, studies: Path, tmp_path: Path, rank: int
) -> None:
    killed: list[int] = []

    def kill(event: Event, history: History) -> None:
        if event["event"] == "reported" and event["epoch"] == 5 and not killed:
            victim = sorted(workers_of(), key=lambda process: process.pid)[rank]
            killed.append(victim.pid)
            victim.send_signal(signal.SIGKILL)

    # A falling loss that is to be large is best at its first epoch: what is saved is what is due.
    rules = {"objective": {"metric": "val_loss", "mode": "max"}, "checkpoints": {"every": 3}}
    slowly = {"config": {"epoch_seconds": 0.2}}
    disturbed = trained(tmp_path, 8, 2, kill, **rules, **slowly)
    undisturbed = trained(tmp_path, 8, 2, **rules, **slowly)
    assert killed
    assert disturbed.history().state == "finished"
    assert [event["epoch"] for event in events(disturbed, "began")][1:] == [3]
    repeated = Counter(event["epoch"] for event in events(disturbed, "epoch"))
    assert sum(count - 1 for count in repeated.values()) <= 3
    assert final(disturbed) == final(undisturbed)
    assert progress(disturbed).values == progress(undisturbed).values
    [failure] = [event for event in read(disturbed.journal) if event["event"] == "failed"]
    assert failure["kind"] == "killed"
    reported = [event["epoch"] for event in read(disturbed.journal) if event["event"] == "reported"]
    assert reported == list(range(1, 9))


def test_two_workers_with_a_joint_batch_train_as_one_worker_does(ray: LocalRay, studies: Path, tmp_path: Path) -> None:
    """Gradients are summed in another order, in single precision: losses agree to 1e-5 of their size."""
    how = {"trainable": "tests.toys:Sized", "resources": {"batch": "joint"}}
    one, two = (trained(tmp_path, 5, workers, **how) for workers in (1, 2))
    losses = [list(progress(folder).values.values()) for folder in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[0][-1] < losses[0][0]
    assert [event["workers"] for event in events(two, "began")] == [2]
    assert two.history().trials[0].metrics[5]["workers"] == 2.0


def test_ray_train_trains_to_the_bit_what_the_runner_alone_does(ray: LocalRay, studies: Path, tmp_path: Path) -> None:
    folder = trained(tmp_path, 3, 1, config={"lr": 0.01}, search_space={"width": "choice([8])"})
    alone = TrainingFolder(tmp_path / "alone")
    alone.path.mkdir()
    told = order(alone, 3)
    stretch(replace(told, spec=replace(told.spec, trial=0)))
    assert final(folder) == final(alone)


def test_what_the_trainable_raises_ends_it_with_its_cause(ray: LocalRay, studies: Path, tmp_path: Path) -> None:
    folder = trained(tmp_path, 4, 1, trainable="tests.toys:Breaks", config={"how": "raise"}, limits={"attempts": 1})
    history = folder.history()
    assert history.state == "failed"
    assert "RuntimeError: something in the data (toys.py line" in history.why
    assert "something in the data" in folder.log.read_text()
    assert history.trials[0].epoch == 1


@pytest.mark.parametrize(("trainable", "failure"), [("Drawing", ""), ("Clumsy", "error: ZeroDivisionError: no ink")])
def test_the_best_epochs_model_draws_its_figures(
    ray: LocalRay, studies: Path, tmp_path: Path, trainable: str, failure: str
) -> None:
    """A falling loss that is to be large is best at its first epoch, which is not the last checkpoint."""
    rules = {"objective": {"metric": "val_loss", "mode": "max"}, "search_space": {"width": "choice([8])"}}
    folder = trained(tmp_path, 3, 1, trainable=f"tests.toys:{trainable}", config={"lr": 0.01}, **rules)
    summary = training_summary(folder)
    assert summary["state"] == "finished" and summary["best"]["epoch"] == 1 and summary["checkpoint"]
    if failure:
        assert summary["figures"] is None and not folder.figures_page.exists()
        told = StringIO()
        Console(file=told, width=200).print(closing_words(summary))
        assert f"could not be drawn: {failure} (toys.py line" in told.getvalue()
        assert f"could not be drawn: {failure}" in folder.report.read_text()
        assert "Traceback" in folder.log.read_text()
        return
    drawn = drawn_of(folder, folder.history())
    assert drawn.of == "trial 0 after epoch 1" and list(drawn.titles.values()) == ["What it <has> learnt"]
    runner = make_runner(replace(order(folder, 3).spec, trainable=Drawing))
    runner.load((folder.best / "checkpoint.pt").read_bytes())
    [figure] = drawn.figures.values()
    assert figure["data"] == runner.figures()["What it <has> learnt"]["data"]
    assert "What it &lt;has&gt; learnt" in folder.report.read_text()
    assert summary["figures"] == str(folder.figures_page) and folder.figures_page.exists()


def test_while_mlflow_is_away_nothing_is_lost(ray: LocalRay, studies: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    from raise_hpo.track.send import Sender

    folder = trained(tmp_path, 3, 1, trainable="tests.toys:Drawing", tracking={"mlflow": "http://127.0.0.1:9"})
    assert folder.history().state == "finished"
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    Sender(folder, uri, follow=False, patience=1.0).run()
    client = MlflowClient(uri)
    [run] = client.search_runs([client.get_experiment_by_name("line").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.tags["raise_hpo.training"] == folder.name
    values = [metric.value for metric in client.get_metric_history(run.info.run_id, "val_loss")]
    assert values == list(progress(folder).values.values())
    assert run.data.metrics["best_val_loss"] == min(values)
    assert "figures.html" in [each.path for each in client.list_artifacts(run.info.run_id)]
    assert "checkpoint.pt" in [
        each.path.split("/")[-1] for each in client.list_artifacts(run.info.run_id, "checkpoint")
    ]


# The command line, in processes of its own


def command(*arguments: str, studies: Path) -> subprocess.Popen[str]:
    """A command of raise-hpo."""
    environment = {**os.environ, "RAISE_HPO_STUDIES": str(studies), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "raise_hpo", *arguments],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for_epochs(home: Path, count: int, process: subprocess.Popen[str]) -> TrainingFolder:
    """Wait until so many epochs are in the journal."""
    while process.poll() is None:
        for folder in trainings_of(home):
            if sum(event["event"] == "reported" for event in read(folder.journal)) >= count:
                return folder
        time.sleep(0.05)
    raise AssertionError(process.communicate())


def test_interrupted_and_killed_it_goes_on_to_the_same_end_by_the_same_command_and_by_name(
    studies: Path, tmp_path: Path
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({**STUDY, "config": {"lr": 0.01, "epoch_seconds": 0.3},
                                    "search_space": {"width": "choice([8])"}}))  # fmt: skip
    arguments = ["train", str(file), "--config", "default", "--epochs", "9"]
    process = command(*arguments, studies=studies)
    folder = wait_for_epochs(studies / "line", 2, process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "interrupted" in output and "raise-hpo resume line/training-1" in output

    process = command(*arguments, studies=studies)
    wait_for_epochs(studies / "line", 4, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    process = command("resume", "line/training-1", "--json", studies=studies)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    summary = json.loads(output.splitlines()[-1])
    assert (summary["state"], summary["epochs"], summary["best"]["epoch"]) == ("finished", 9, 9)

    alone = TrainingFolder(tmp_path / "alone")
    alone.path.mkdir()
    told = order(alone, 9)
    stretch(replace(told, spec=replace(told.spec, trial=0)))
    assert progress(folder).values == progress(alone).values
    reported = [event["epoch"] for event in read(folder.journal) if event["event"] == "reported"]
    assert reported == list(range(1, 10))
    assert tensors((folder.best / "checkpoint.pt").read_bytes()) == final(folder)
    assert folder.report.exists()
