"""The figures that a trainable draws of the best model, of a study or a training, made where it was trained."""

from __future__ import annotations

import json
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayError

from raise_hpo.folder import StudyFolder
from raise_hpo.study.settings import Resources
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.spec import TrialSpec
from raise_hpo.trial.trainable import Trainable

_SECONDS = 600.0


def draws(trainable: type) -> bool:
    """Whether a trainable draws figures of its model."""
    return getattr(trainable, "figures", Trainable.figures) is not Trainable.figures


def draw(model: tuple[int, int], spec: TrialSpec, resources: Resources, log: Path) -> None:
    """Write the figures of a trained model to ``best/figures.json``; if they fail, what happened instead.

    Args:
        model: Trial and epoch that the model is of.
        spec: What its workers were told, with its checkpoint.
        resources: What one worker of it had.
        log: Where the trainable's output and tracebacks go.
    """
    worker = ray.remote(_drawn).options(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=0)
    told: dict[str, object] = {"trial": model[0], "epoch": model[1]}
    task = worker.remote(spec, max(1, int(resources.cpus)), log)
    try:
        told["figures"] = ray.get(task, timeout=_SECONDS)
    except GetTimeoutError:
        ray.cancel(task, force=True)
        told["failure"] = f"they took longer than {_SECONDS:g} seconds"
    except RayError as error:
        cause = getattr(error, "cause", None)
        told["failure"] = str(cause if isinstance(cause, TrialFailure) else type(error).__name__)
    if told.get("figures") != {}:
        folder = StudyFolder(spec.folder)
        folder.best.mkdir(exist_ok=True)
        folder.figures.write_text(json.dumps(told))


def _drawn(spec: TrialSpec, threads: int, log: Path) -> dict[str, object]:
    """On a worker: build the model, load its checkpoint, and let it draw."""
    import torch

    from raise_hpo.trial.make import make_runner
    from raise_hpo.trial.record import on_record

    torch.set_num_threads(threads)
    with on_record(log, 0):
        runner = make_runner(spec, device=torch.device("cuda:0" if torch.cuda.is_available() else "cpu"))
        if spec.checkpoint:
            runner.load((spec.folder / spec.checkpoint).read_bytes())
        return runner.figures()
