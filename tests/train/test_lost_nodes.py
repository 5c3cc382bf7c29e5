"""A training whose nodes are lost for good ends at its last checkpoint, instead of holding the nodes that are left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ray.cluster_utils import Cluster

from raise_hpo.drive.cluster import AttachedRay
from raise_hpo.history import History
from raise_hpo.journal import Event, read
from raise_hpo.train import places
from raise_hpo.train import training as module
from raise_hpo.train.choose import choose
from raise_hpo.train.plan import Plan
from raise_hpo.train.training import Training

from .stretches import events
from .test_train import STUDY

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own warnings are not ours to mend

EPOCHS = 8


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head with one place, to which nodes can be added; each driver connects by itself, as in a job."""
    monkeypatch.setattr(module, "_TRACKER_SECONDS", 0.1)
    monkeypatch.setattr(module, "_TRACKER_SECONDS_IN_HASTE", 0.1)
    monkeypatch.setattr(places, "_PATIENCE_SECONDS", 2.0)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield made
    finally:
        made.shutdown()


def plan(folder: Path) -> Plan:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump({**STUDY, "config": {"epoch_seconds": 0.5}}))
    return Plan(choose(str(file), "default", []), EPOCHS, 2)


def test_it_is_interrupted_and_goes_on_where_it_was(cluster: Cluster, studies: Path, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)

    def lose(event: Event, history: History) -> None:
        if event["event"] == "reported" and event["epoch"] == 3:
            cluster.remove_node(node)

    training = Training(plan(tmp_path), view=lose, ray=AttachedRay(cluster.address))
    with pytest.raises(places.PlacesLost, match="nodes were lost: for 2 s there have been places for 1 of 2 workers"):
        training.run()
    folder = training.folder
    history = folder.history()
    assert history.state == "interrupted" and "nodes were lost" in history.why
    assert 3 <= history.trials[0].epoch < EPOCHS
    with pytest.raises(places.TooFewPlaces, match="the cluster has places for 1 worker"):
        Training.take_up(folder, ray=AttachedRay(cluster.address)).run()

    cluster.add_node(num_cpus=1)
    assert Training.take_up(folder, ray=AttachedRay(cluster.address)).run().state == "finished"
    reported = [event["epoch"] for event in read(folder.journal) if event["event"] == "reported"]
    assert reported == list(range(1, EPOCHS + 1))
    assert [event["epoch"] for event in events(folder, "epoch")] == reported, "no epoch was trained twice"
    assert len(events(folder, "began")) == 2, "nobody else had a hand in it"
