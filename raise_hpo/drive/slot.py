"""One slot of a study: a Ray Tune class Trainable that keeps its worker group warm from trial to trial."""

from __future__ import annotations

import os
import socket
import time
import uuid
from typing import Any

from ray import tune

from raise_hpo.folder import StudyFolder
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.group import WorkerGroup
from raise_hpo.trial.spec import NODE, Began, Broke, EpochDone, TrialSpec

SPEC = "spec"
RESOURCES = "resources"
MESSAGE = "message"


class Slot(tune.Trainable):
    """What Ray Tune takes for a trial is one stretch of a trial of ours: from its start, or its resume, to its stop.

    Tune reuses the actor for the next stretch, of whichever trial, and the worker group in it stays: interpreter, CUDA
    context, process group and data are not made again. Our own checkpoints, written by rank 0 to the study's folder,
    carry a trial from one stretch to the next, so a pause, a retry, a promotion and a resumed study all start alike.

    A stretch reports `Began` once, then `EpochDone` each epoch. What goes wrong is reported as `Broke`: the actor
    stays, and a fresh group serves the next stretch. Only the loss of a worker's node is raised, and ends the slot.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first stretch; the group is made when it begins."""
        self._group: WorkerGroup | None = None
        self._uid = uuid.uuid4().hex
        self._take(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next stretch."""
        self._take(new_config)
        return True

    def _take(self, config: dict[str, Any]) -> None:
        self._spec: TrialSpec = config[SPEC]
        self._resources: tuple[int, float, float] = config[RESOURCES]
        self._begun = False

    def step(self) -> dict[str, Any]:
        """Begin the stretch, or train one epoch of it."""
        try:
            message: Began | EpochDone | Broke = self._epoch() if self._begun else self._begin()
        except TrialFailure as failure:
            self._drop_group()
            if failure.kind == "lost":
                # The slot's places have gone with the node: it must end, so that the next trial gets others.
                raise
            message = Broke(failure.kind, failure.cause)
        return {MESSAGE: message}

    def _begin(self) -> Began:
        began = time.time()
        if self._group is None:
            self._group = WorkerGroup(*self._resources)
        self._group.call("begin", self._spec)
        self._begun = True
        return Began(os.environ.get(NODE, socket.gethostname()), self._uid, self._resources[0], began)

    def _epoch(self) -> EpochDone:
        assert self._group is not None
        epoch, metrics, first_batch = self._group.call("epoch", timeout=self._spec.epoch_seconds)[0]
        checkpoint = None
        # A request may end this stretch; where no checkpoint was due, the epochs since the last one would be lost.
        folder = StudyFolder(self._spec.folder)
        if epoch in self._spec.save_at or folder.stop_request.exists() or folder.hand_back.exists():
            checkpoint = self._spec.checkpoint_path(epoch)
            self._group.call_first("save", self._spec.folder / checkpoint)
        return EpochDone(epoch, metrics, checkpoint, first_batch)

    def _drop_group(self) -> None:
        if self._group is not None:
            self._group.close()
        self._group = None

    def cleanup(self) -> None:
        """End the workers with the slot."""
        self._drop_group()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: checkpoints are the workers' own."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a stretch names the checkpoint that it goes on from."""
