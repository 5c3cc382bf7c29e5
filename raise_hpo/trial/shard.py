"""One worker's share of a dataset, epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Sampler

if TYPE_CHECKING:
    from raise_hpo.data.streamed import StreamedRows
    from raise_hpo.trial.trainable import Trainable


def used_length(length: int, world_size: int, parts: int | None) -> int:
    """How many of a dataset's samples the workers take together, so that each has one of `parts` equal parts.

    Args:
        length: Samples of the dataset.
        world_size: Number of workers.
        parts: Parts that the dataset is cut into; None if the workers share all of it.
    """
    return length if parts is None else min(length, world_size * max(1, length // parts))


class ShardSampler(Sampler[int]):
    """Every `world_size`-th sample, from `rank` on, of an order that depends on seed and epoch alone."""

    def __init__(self, length: int, rank: int, world_size: int, seed: int, epoch: int, shuffle: bool) -> None:
        self.order = torch.arange(length)
        if shuffle:
            generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
            # All workers need the same number of steps, or the gradient exchange of the last one would wait for ever.
            self.order = torch.randperm(length, generator=generator)[: length - length % world_size]
        self.mine = self.order[rank::world_size]

    def __iter__(self) -> Iterator[int]:
        return iter(self.mine.tolist())

    def __len__(self) -> int:
        return len(self.mine)


class Shard:
    """Batches of a worker's share, on its device; samples are counted for throughput and for averaging metrics."""

    def __init__(self, loader: DataLoader[Any], sampler: ShardSampler, trainable: Trainable) -> None:
        self.loader = loader
        self.sampler = sampler
        self.trainable = trainable

    def __iter__(self) -> Iterator[Any]:
        size = self.loader.batch_size or 1
        left = len(self.sampler)
        for batch in self.loader:
            self.trainable.first_batch_at = self.trainable.first_batch_at or time.time()
            self.trainable.samples_seen += min(size, left)
            left -= size
            yield to_device(batch, self.trainable.device)


class StreamShard:
    """Batches of a worker's share of streamed rows, on its device.

    The workers' batches of a step can differ in size. A step's loss is weighted with the worker's share of the joint
    batch, so that the averaged gradient is the mean over all its rows, as if one worker had them.
    """

    def __init__(self, rows: StreamedRows, batch_size: int, shuffle: bool, trainable: Trainable) -> None:
        self.rows = rows
        self.shuffle = shuffle
        self.trainable = trainable
        place = trainable.place
        self.order = (place.seed, trainable.epoch)
        self.plan = rows.plan(batch_size, *self.order, place.world_size, place.parts, shuffle)

    def __iter__(self) -> Iterator[Any]:
        rank = self.trainable.rank
        batches = self.rows.batches(self.plan, rank, *self.order, self.shuffle)
        sizes = [self.plan.batches(worker) for worker in range(self.trainable.world_size)]
        for step, batch in enumerate(batches):
            self.trainable.first_batch_at = self.trainable.first_batch_at or time.time()
            self.trainable.samples_seen += sizes[rank][step]
            joint = sum(size[step] for size in sizes)
            self.trainable.loss_weight = sizes[rank][step] * len(sizes) / joint if self.shuffle else 1.0
            yield to_device(batch, self.trainable.device)
        self.trainable.loss_weight = 1.0


def to_device(batch: Any, device: torch.device) -> Any:
    """Move tensors, and anything with a ``to`` method, in nested lists, tuples and mappings to a device."""
    if hasattr(batch, "to"):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
