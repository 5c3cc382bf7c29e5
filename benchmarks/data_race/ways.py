"""The ways of reading: each makes a function of the epoch that gives batches (numbers, labels)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]
Read = Callable[[int], Batches]
Files = dict[str, str]


def _ours(files: Files, batch: int, cache: str, memory_gib: float) -> Read:
    return partial(read_ours, open_ours(files, cache, memory_gib), batch)


def open_ours(files: Files, cache: str, memory_gib: float = 4.0) -> Any:
    """The rows as a trainable opens them."""
    from raise_hpo.data import open_rows

    return open_rows(files["parquet"], {"points": (800,), "label": ()}, cache=Path(cache), memory_gib=memory_gib)


def read_ours(rows: Any, batch: int, epoch: int) -> Batches:
    """One epoch as a trainable sees it."""
    from raise_hpo.trial.trainable import Place, Trainable

    trainable = Trainable(Place())
    trainable.epoch = epoch
    for found in trainable.shard(rows, batch):
        yield found["points"], found["label"]


class _Hdf5(torch.utils.data.Dataset[Any]):
    """The dataset that most trainings on HDF5 have: a row an item, read when it is asked for."""

    def __init__(self, path: str) -> None:
        import h5py

        self.file = h5py.File(path)
        self.points, self.label = self.file["points"], self.file["label"]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.points[row]), int(self.label[row])


def _h5py(files: Files, batch: int, cache: str) -> Read:
    loader = torch.utils.data.DataLoader(_Hdf5(files["hdf5"]), batch_size=batch, shuffle=True)
    return lambda epoch: iter(loader)


def _hugging_face(files: Files, batch: int, cache: str) -> Read:
    from datasets import load_dataset

    rows = load_dataset("parquet", data_files=files["parquet"], split="train", cache_dir=f"{cache}/hugging-face")
    rows = rows.with_format("torch")

    def read(epoch: int) -> Batches:
        order = torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(rows), batch, drop_last=False)
        for numbers in order:
            found = rows[numbers]
            yield found["points"], found["label"]

    return read


def _hugging_face_streamed(files: Files, batch: int, cache: str) -> Read:
    from datasets import load_dataset

    rows = load_dataset("parquet", data_files=files["parquet"], split="train", streaming=True).with_format("torch")

    def read(epoch: int) -> Batches:
        for found in rows.shuffle(seed=epoch, buffer_size=4_000).iter(batch):
            yield found["points"], found["label"]

    return read


def _ray_data(files: Files, batch: int, cache: str) -> Read:
    import ray

    ray.init(num_cpus=1, log_to_driver=False, include_dashboard=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_parquet(files["parquet"], shuffle="files")

    def read(epoch: int) -> Batches:
        for found in rows.iter_torch_batches(batch_size=batch, local_shuffle_buffer_size=4_000):
            yield found["points"], found["label"]

    return read


def _nothing(files: Files, batch: int, cache: str) -> Read | None:
    return None


WAYS: dict[str, Callable[[Files, int, str], Read | None]] = {
    "import only": _nothing,
    "PyTorch Dataset over h5py": _h5py,
    "raise-hpo, in memory": partial(_ours, memory_gib=4.0),
    "raise-hpo, streamed": partial(_ours, memory_gib=0.0),
    "Hugging Face datasets": _hugging_face,
    "Hugging Face, streamed": _hugging_face_streamed,
    "Ray Data": _ray_data,
}
