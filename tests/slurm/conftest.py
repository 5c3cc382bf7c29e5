"""The cluster that the tests share, as good as new for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import SlurmCluster, Unavailable

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The drills run only when asked for."""
    asked = config.getoption("--slurm-drills") or "slurm_drill" in config.option.markexpr
    for item in items:
        if not asked and HERE in item.path.parents and item.get_closest_marker("slurm_drill"):
            item.add_marker(pytest.mark.skip(reason="a Slurm drill, which `make test-slurm` runs"))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[SlurmCluster]:
    """A running cluster; where there can be none, tests are skipped, and fail when they were asked for by name."""
    try:
        SlurmCluster.install()
        cluster = SlurmCluster.unused()
        cluster.start()
    except Unavailable as reason:
        refuse = pytest.fail if request.config.getoption("--slurm-drills") else pytest.skip
        refuse(f"no Slurm cluster on this machine: {reason}")
    yield cluster
    cluster.stop()


@pytest.fixture
def slurm(cluster: SlurmCluster) -> Iterator[SlurmCluster]:
    """The cluster with all nodes idle, no jobs, and nothing in /tmp."""
    yield cluster
    cluster.restore()
