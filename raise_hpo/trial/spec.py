"""What a worker group is told about the trial that it is to train, and what it tells back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raise_hpo.folder import StudyFolder

NODE = "RAISE_HPO_NODE"
"""The environment variable with a node's name in its cluster; without it, the host name is taken."""
NODE_CACHE = "RAISE_HPO_NODE_CACHE"
"""The environment variable that names the folder on each node in which its workers share what they read."""


@dataclass(frozen=True)
class TrialSpec:
    """One stretch of a trial on a slot.

    Attributes:
        trial: The trial's number.
        trainable: The trainable's name as in the study file, or the class itself.
        config: The suggested values, flat, with dotted keys.
        fixed: The study file's ``config`` section, which goes over the trainable's defaults and under the suggestion.
        seed: The study's seed.
        data: The study file's ``data`` section.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        lr_scaling: ``off``, ``linear`` or ``sqrt``.
        batch: ``per_worker`` or ``joint``.
        folder: The study's folder, which all nodes share.
        checkpoint: The checkpoint to go on from, relative to the study's folder; None to start anew.
        save_at: The epochs after which a checkpoint is written.
        inherits: Whether the checkpoint is another trial's, so that its weights are taken on and its settings are not.
        mate: The checkpoint of a second trial to take weights from as well, relative to the study's folder.
        mutation: How much noise inherited weights get, as a share of their root mean square.
        import_from: A folder to import the trainable from, besides the installed packages.
        epoch_seconds: Limit of an epoch's duration.
        parts: Into how many parts the data are cut, of which each worker takes one; None to share all of them.
    """

    trial: int
    trainable: str | type
    config: Mapping[str, Any]
    fixed: Mapping[str, Any]
    seed: int
    data: Mapping[str, Any]
    precision: str
    lr_scaling: str
    folder: Path
    checkpoint: str | None
    save_at: frozenset[int]
    inherits: bool = False
    mate: str | None = None
    mutation: float = 0.0
    import_from: str | None = None
    epoch_seconds: float | None = None
    parts: int | None = None
    batch: str = "per_worker"

    @property
    def log_file(self) -> Path:
        """Where the trial's output and tracebacks go."""
        return StudyFolder(self.folder).log_file(self.trial)

    def checkpoint_path(self, epoch: int) -> str:
        """Where the checkpoint after an epoch goes, relative to the study's folder."""
        return f"checkpoints/trial-{self.trial:04d}-epoch-{epoch:04d}.pt"


@dataclass(frozen=True)
class Began:
    """The trial's model is built on a slot, its checkpoint loaded."""

    node: str
    slot: str
    workers: int
    at: float


@dataclass(frozen=True)
class EpochDone:
    """An epoch was trained and validated; `first_batch` is the time of the first batch of this stretch."""

    epoch: int
    metrics: Mapping[str, float]
    checkpoint: str | None
    first_batch: float | None


@dataclass(frozen=True)
class Broke:
    """The trial failed; kind and cause as in `raise_hpo.trial.failures`."""

    kind: str
    cause: str
