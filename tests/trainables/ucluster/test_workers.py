"""Two workers of a trial, each a process: they report the same numbers and end with the same network."""

import json
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place
from tests.trainables.ranks import run_ranks
from tests.trainables.ucluster import fakes
from trainables.ucluster.trainable import UCluster

CONFIG = {"width": 8, "num_point": 20, "k": 4, "batch_size": 8, "epochs_pretrain": 1}


def worker(rank: int, folder: str) -> None:
    """Train two epochs, the second with clustering, and write down what came out."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(f"{folder}/store", 2), rank=rank, world_size=2)
    data = {name: f"{folder}/{name}.parquet" for name in ("train", "valid")}
    trial = TrialRunner(UCluster, {**UCluster.defaults, **CONFIG}, Place(rank=rank, world_size=2, data=data))
    reports = [trial.epoch() for _ in range(2)]
    Path(folder, f"{rank}.json").write_text(json.dumps(reports))
    Path(folder, f"{rank}.pt").write_bytes(trial.save())
    dist.destroy_process_group()


def test_two_workers_agree(tmp_path: Path) -> None:
    fakes.write_jets(tmp_path / "train.parquet", 41, 1)
    fakes.write_jets(tmp_path / "valid.parquet", 19, 2)
    run_ranks(worker, str(tmp_path))
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    for ours, theirs in zip(first, second, strict=True):
        for name in ("train_loss", "val_loss", "val_accuracy", "val_ari", "val_loss_cluster"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-6), name
    states = [torch.load(tmp_path / f"{rank}.pt", weights_only=True)["parts"]["model"] for rank in range(2)]
    for name, values in states[0].items():
        torch.testing.assert_close(values, states[1][name])
    assert states[0]["centroids"].any()
    # One worker with that network measures the same on all validation rows: the workers have shared them out.
    data = {name: str(tmp_path / f"{name}.parquet") for name in ("train", "valid")}
    alone = TrialRunner(UCluster, {**UCluster.defaults, **CONFIG}, Place(data=data))
    alone.load((tmp_path / "0.pt").read_bytes())
    alone.trainable.epoch = 1
    alone.trainable.model.eval()
    with torch.no_grad():
        measured = alone.trainable.validate()
    assert measured["val_accuracy"] == first[1]["val_accuracy"]
    assert measured["val_loss"][0] / 19 == pytest.approx(first[1]["val_loss"], rel=1e-5)
