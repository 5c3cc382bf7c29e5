"""Two workers train as one and report what one would."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place
from tests.trainables.lartpc import fakes
from tests.trainables.ranks import run_ranks
from trainables.lartpc.trainable import LArTPC

CONFIG = {**LArTPC.defaults, "width": 0.2, "batch_size": 5, "augment": True}


def worker(rank: int, folder: str, data: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(f"{folder}/store", 2), rank=rank, world_size=2)
    trial = TrialRunner(LArTPC, CONFIG, Place(rank, 2, data=data, cache=Path(folder) / "cache"))
    metrics = trial.epoch()
    Path(folder, f"{rank}.json").write_text(json.dumps(metrics))
    Path(folder, f"{rank}.pt").write_bytes(trial.save())
    if rank == 0:
        assert len(trial.trainable.figures()) == 3  # asked of one worker alone
        assert trial.trainable.inference()[1]["images"].shape == (2, 1, fakes.SIZE, fakes.SIZE)
    dist.destroy_process_group()


def test_two_workers_agree(tmp_path: Path) -> None:
    data = {name: fakes.written(tmp_path / f"{name}.parquet", n, n) for name, n in (("train", 30), ("valid", 13))}
    run_ranks(worker, str(tmp_path), data)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    told = [name for name in first if name.startswith(("train_", "val_", "eff_", "purity_"))]
    assert {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "eff_kaon"} <= set(told)
    assert [first[name] for name in told] == [second[name] for name in told]
    alone = TrialRunner(LArTPC, CONFIG, Place(data=data, cache=tmp_path / "cache"))
    alone.load((tmp_path / "0.pt").read_bytes())
    alone.trainable.model.eval()
    with torch.no_grad():
        found = alone.trainable.validate()
    assert first["val_loss"] == pytest.approx(found["val_loss"][0] / 13, rel=1e-5)
    assert first["val_accuracy"] == pytest.approx(found["val_accuracy"][0] / 13)
