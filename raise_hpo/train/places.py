"""Whether the cluster has places for all workers of a training: before it begins, and while it runs."""

from __future__ import annotations

import time

from raise_hpo.errors import UserError
from raise_hpo.study.settings import Resources

_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
"""How long a node may be away, as when a network is cut, before its places count as lost."""


class TooFewPlaces(UserError):
    """The cluster cannot run all workers at once."""


class PlacesLost(TooFewPlaces):
    """Nodes were lost while the training ran, and have not come back."""


class PlacesOfWorkers:
    """The places that a training needs, on the Ray that is connected.

    Args:
        workers: Number of workers.
        resources: CPUs and GPUs of each.
    """

    def __init__(self, workers: int, resources: Resources) -> None:
        self._workers = workers
        self._resources = resources
        self._looked = 0.0
        self._missing_since: float | None = None

    def check(self) -> None:
        """Check that all workers can be started.

        Raises:
            TooFewPlaces: They cannot.
        """
        if (places := self._count()) < self._workers:
            raise TooFewPlaces(
                f"--workers {self._workers}: the cluster has places for {places} worker(s) of "
                f"{self._resources.cpus:g} CPU(s) and {self._resources.gpus:g} GPU(s)"
            )

    def watch(self) -> None:
        """See once a second that the places are still there.

        Ray Train would wait for new ones until the allocation ends, on nodes that compute nothing.

        Raises:
            PlacesLost: They have been missing for a minute.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        places = self._count()
        self._missing_since = None if places >= self._workers else self._missing_since or now
        if self._missing_since is not None and now - self._missing_since >= _PATIENCE_SECONDS:
            raise PlacesLost(
                f"nodes were lost: for {_PATIENCE_SECONDS:.0f} s there have been places for {places} of "
                f"{self._workers} workers; the training can be resumed from its last checkpoint"
            )

    def _count(self) -> int:
        from raise_hpo.drive.cluster import find_capacity

        return find_capacity(self._workers, self._resources.cpus, self._resources.gpus).places
