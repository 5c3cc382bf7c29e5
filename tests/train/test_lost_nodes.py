"""A training whose nodes are lost for good ends at its last checkpoint, instead of holding the nodes that are left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.cluster_utils import Cluster

from raise_hpo.drive.cluster import AttachedRay
from raise_hpo.history import History
from raise_hpo.journal import Event, read
from raise_hpo.train import places, training
from raise_hpo.train.choose import choose
from raise_hpo.train.folder import TrainingFolder
from raise_hpo.train.plan import Plan
from raise_hpo.train.training import Training

from .stretches import events, progress
from .test_train import STUDY, final

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own warnings are not ours to mend

EPOCHS = 6


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head with one place, connected, to which nodes can be added."""
    monkeypatch.setattr(training, "_TRACKER_SECONDS", 0.1)
    monkeypatch.setattr(training, "_TRACKER_SECONDS_IN_HASTE", 0.1)
    monkeypatch.setattr(places, "_PATIENCE_SECONDS", 2.0)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        with AttachedRay(made.address):
            yield made
    finally:
        made.shutdown()


def plan(folder: Path) -> Plan:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump({**STUDY, "config": {"epoch_seconds": 0.3}}))
    return Plan(choose(str(file), "default", []), EPOCHS, 2)


def test_it_is_interrupted_and_goes_on_to_the_same_end(cluster: Cluster, studies: Path, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    ray: Any = nullcontext()
    undisturbed = Training(plan(tmp_path), fresh=True, ray=ray)
    undisturbed.run()

    def lose(event: Event, history: History) -> None:
        if event["event"] == "reported" and event["epoch"] == 3:
            cluster.remove_node(node)

    disturbed = Training(plan(tmp_path), fresh=True, view=lose, ray=ray)
    with pytest.raises(places.PlacesLost, match="nodes were lost: for 2 s there have been places for 1 of 2 workers"):
        disturbed.run()
    folder: TrainingFolder = disturbed.folder
    history = folder.history()
    assert history.state == "interrupted" and "nodes were lost" in history.why
    assert 3 <= history.trials[0].epoch < EPOCHS
    with pytest.raises(places.TooFewPlaces, match="the cluster has places for 1 worker"):
        Training.take_up(folder, ray=ray).run()

    cluster.add_node(num_cpus=1)
    assert Training.take_up(folder, ray=ray).run().state == "finished"
    reported = [event["epoch"] for event in read(folder.journal) if event["event"] == "reported"]
    assert reported == list(range(1, EPOCHS + 1))
    assert [event["epoch"] for event in events(folder, "epoch")] == reported, "no epoch was trained twice"
    assert final(folder) == final(undisturbed.folder)
    assert progress(folder).values == progress(undisturbed.folder).values
