"""The class an author writes to have a model tuned: build, train an epoch, validate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from raise_hpo.data.streamed import StreamedRows
from raise_hpo.errors import UserError
from raise_hpo.trial.shard import Shard, ShardSampler, StreamShard, used_length

Metrics = Mapping[str, float | tuple[float, float]]

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Place:
    """Where one worker of a trial runs: its rank among the trial's workers, its device, and what the study gave it.

    Attributes:
        rank: This worker's number, from 0.
        world_size: Number of data-parallel workers of the trial.
        device: The device that this worker computes on.
        seed: The trial's seed; the same on every rank.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        batch: ``per_worker`` if each worker takes a batch, ``joint`` if all workers together take one.
        data: The study file's ``data`` section.
        cache: A folder on this node that the study's workers share and that is removed with the study's driver.
        parts: Into how many parts a dataset is cut, of which each worker takes one, whatever their number; None if the
            workers share all of it.
    """

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 1
    precision: str = "fp32"
    batch: str = "per_worker"
    data: Mapping[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    parts: int | None = None


class Trainable:
    """A model that raise-hpo can tune. Subclass it and write `build`, `train_epoch` and `validate`.

    The same class trains in a study's trials, in a long final training, and alone in a notebook
    (`raise_hpo.trial.runner.TrialRunner`). Attributes that carry state (modules, optimizers, learning-rate
    schedulers, generators) are found by themselves and kept in checkpoints under their attribute's name.

    Attributes:
        defaults: The default configuration, with dotted keys or nested; a study runs it as trial 0 to compare with.
        search_space: A search space in the notation of study files, for ``raise-hpo tune file.py:Class``.
        epoch: Number of epochs that this trial has finished.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    search_space: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or Place()
        self.epoch = 0
        self.samples_seen = 0
        self.loss_weight = 1.0
        self.first_batch_at: float | None = None
        self.optimizer: torch.optim.Optimizer | None = None
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.place.precision == "fp16")

    # What the author writes

    def build(self, config: Mapping[str, Any]) -> None:
        """Make model and optimizer for one configuration (nested, the defaults filled in)."""
        raise NotImplementedError(f"{type(self).__name__} needs a method build(self, config)")

    def train_epoch(self) -> Metrics | None:
        """Train one epoch over this worker's shard and return metrics.

        A plain number is averaged over the workers, weighted with the samples each has seen through `shard`; a pair
        ``(numerator, denominator)`` is summed over the workers and divided then, for efficiencies and other ratios.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method train_epoch(self)")

    def validate(self) -> Metrics | None:
        """Measure the model without training it; metrics as in `train_epoch`."""
        return None

    def figures(self) -> Mapping[str, Any]:
        """Plots of the model as trained so far, by title: Plotly figures, for the report and for MLflow.

        Asked for once, on one worker, with the state of a study's best trial.
        """
        return {}

    def inference(self) -> tuple[nn.Module, Mapping[str, torch.Tensor]]:
        """The model as it is to be used, for ``raise-hpo export``.

        Returns:
            A module that takes columns of the event files as they are, preprocessing inside, and example inputs by the
            names of its arguments: a few rows of the validation data, the first dimension being the batch.

        Raises:
            UserError: The trainable does not say how its model is used.
        """
        raise UserError(
            f"{type(self).__name__} has no method inference(self), so raise-hpo cannot tell what to export; "
            "let it return a module and example inputs by name"
        )

    def grown(self, network: str, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """A smaller network's weights for this trainable's larger one, which should compute the same with them.

        Asked for where a trial inherits weights and its configuration makes a larger model, as the scheduler
        `genetic` has it. `raise_hpo.trial.widen.widened` does it for networks of layers in a row.

        Args:
            network: The name of the attribute with the module, which is built with the larger configuration.
            state: The state dict of the smaller one, under the same names.

        Returns:
            A state dict for the larger one.
        """
        return state

    @classmethod
    def check_data(cls, data: Mapping[str, Any]) -> None:
        """Look at a study's ``data`` section before anything is started; nothing to look at unless overridden.

        Raises:
            UserError: The data cannot be used; one sentence says why.
        """

    # What the framework gives

    @property
    def rank(self) -> int:
        """This worker's number among the trial's workers."""
        return self.place.rank

    @property
    def world_size(self) -> int:
        """Number of data-parallel workers of this trial."""
        return self.place.world_size

    @property
    def device(self) -> torch.device:
        """The device that this worker computes on."""
        return self.place.device

    @property
    def data(self) -> Mapping[str, Any]:
        """The study file's ``data`` section."""
        return self.place.data

    def distribute(self, model: nn.Module, **ddp_options: Any) -> nn.Module:
        """Move a model to this worker's device and, with several workers, keep its gradients equal on all of them."""
        model = model.to(self.device)
        if self.world_size == 1:
            return model
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices, **ddp_options)

    @staticmethod
    def bare(model: Any) -> Any:
        """The model that was given to `distribute`, without what keeps several workers' gradients equal."""
        return model.module if isinstance(model, DistributedDataParallel) else model

    def worker_batch(self, batch_size: int) -> int:
        """How many samples of a step are this worker's, by the study's ``resources.batch``.

        `shard` asks for it by itself; authors who load their data otherwise can ask too. A joint batch that the workers
        cannot share out evenly is rounded down to one that they can, and up to a sample a worker.

        Args:
            batch_size: The configuration's batch size: of a worker, or of all of them together.
        """
        return batch_size if self.place.batch == "per_worker" else max(1, batch_size // self.world_size)

    def shard(
        self,
        dataset: Dataset[Any] | StreamedRows,
        batch_size: int,
        *,
        shuffle: bool = True,
        collate: Callable[[list[Any]], Any] | None = None,
    ) -> Iterator[Any]:
        """Iterate over this worker's part of a dataset in batches on this worker's device.

        Rows of `raise_hpo.data.open_rows` come as a dict of tensors; those that are streamed are each visited once an
        epoch, by the one worker that reads their row group. Anything else is a map-style dataset:

        Shuffled, the order depends on the trial's seed and the epoch alone, and the workers' n-th batches together are
        the n-th batch that one worker with all their samples would see. At most ``world_size - 1`` samples
        are left out of a shuffled epoch, other ones each time; unshuffled, every sample is visited once.

        Args:
            dataset: Rows of `raise_hpo.data.open_rows`, or anything with ``__len__`` and ``__getitem__``.
            batch_size: Samples a batch and worker; of all workers together where the study has ``batch: joint``.
            shuffle: True for training, False for validation.
            collate: Makes a batch from a list of samples; torch's default collation otherwise. Not for streamed rows.
        """
        mine = self.worker_batch(batch_size)
        if isinstance(dataset, StreamedRows):
            return iter(StreamShard(dataset, mine, shuffle, self))
        length = used_length(len(dataset), self.world_size, self.place.parts)  # type: ignore[arg-type]
        sampler = ShardSampler(length, self.rank, self.world_size, self.place.seed, self.epoch, shuffle)
        put_together = collate or getattr(dataset, "collate", None)
        loader: DataLoader[Any] = DataLoader(dataset, batch_size=mine, sampler=sampler, collate_fn=put_together)
        return iter(Shard(loader, sampler, self))

    def step(self, loss: torch.Tensor, optimizer: torch.optim.Optimizer | None = None) -> None:
        """One step on `loss`: gradients zeroed, backward, unscaled where fp16 needs it.

        With streamed rows the loss is weighted first, see `StreamShard`; it should be a mean over the batch's samples.

        Args:
            loss: The loss.
            optimizer: Whose step it is; ``self.optimizer``'s by default.
        """
        optimizer = optimizer or self.optimizer
        if optimizer is None:
            raise AttributeError(
                f"{type(self).__name__}.build must set self.optimizer before self.step(loss) is called"
            )
        optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss * self.loss_weight).backward()
        self._scaler.step(optimizer)
        self._scaler.update()

    def autocast(self) -> AbstractContextManager[Any]:
        """The mixed-precision context that the study's ``resources.precision`` asks for; nothing at fp32."""
        dtype = _AUTOCAST.get(self.place.precision)
        # Autocast's cache of cast weights would outlive the optimizer's steps, since one context spans an epoch.
        return torch.autocast(self.device.type, dtype=dtype, cache_enabled=False) if dtype else nullcontext()

    def sum_over_workers(self, value: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over all workers of the trial; the tensor itself with one worker."""
        if self.world_size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value
