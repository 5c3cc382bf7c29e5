"""The figures that a trainable draws of a study's best trial, made where the trials ran."""

from __future__ import annotations

import json

import ray
from ray.exceptions import GetTimeoutError, RayError

from raise_hpo.folder import StudyFolder
from raise_hpo.history import Trial
from raise_hpo.study.settings import Resources
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.spec import TrialSpec

_SECONDS = 600.0


def draw(best: Trial, spec: TrialSpec, resources: Resources) -> None:
    """Write the figures of a trial's last checkpoint to ``best/figures.json``; if they fail, what happened instead.

    Args:
        best: The trial.
        spec: What its workers were told, with that checkpoint.
        resources: What one worker of it had.
    """
    worker = ray.remote(_drawn).options(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=0)
    told: dict[str, object] = {"trial": best.number, "epoch": best.checkpoint[0] if best.checkpoint else 0}
    task = worker.remote(spec, max(1, int(resources.cpus)))
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


def _drawn(spec: TrialSpec, threads: int) -> dict[str, object]:
    """On a worker: build the trial's model, load its checkpoint, and let it draw."""
    import torch

    from raise_hpo.trial.make import make_runner
    from raise_hpo.trial.record import on_record

    torch.set_num_threads(threads)
    with on_record(spec.log_file, 0):
        runner = make_runner(spec, device=torch.device("cuda:0" if torch.cuda.is_available() else "cpu"))
        if spec.checkpoint:
            runner.load((spec.folder / spec.checkpoint).read_bytes())
        return runner.figures()
