"""Data-parallel scaling of one trainable: the time of its epochs with 1, 2, 4, … workers.

*Strong* scaling trains the same: all of the data in the same joint batches, of which each of w workers has 1/w. *Weak*
scaling gives each worker the same: the batch of one worker, and 1/m of the data, m being the most workers that are
measured; so that w workers train on w/m of the data and only the most on all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from raise_hpo.defaults import default_config
from raise_hpo.drive.cluster import SLOT_RESOURCE
from raise_hpo.drive.speed import speeds
from raise_hpo.errors import UserError
from raise_hpo.history import Config
from raise_hpo.space import flatten
from raise_hpo.study import StudySpec
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.group import WorkerGroup
from raise_hpo.trial.spec import Broke, TrialSpec

MODES = ("weak", "strong")
BATCH_KEY = "batch_size"
"""The setting that holds the batch size of a worker, by the last part of its name."""

_PLACE_SECONDS = 600.0


@dataclass(frozen=True)
class Timing:
    """Epochs of one trainable with so many workers, after a first one that is not counted.

    Attributes:
        mode: ``weak`` or ``strong``.
        workers: Number of data-parallel workers.
        batch: Samples a batch and worker; None where the trainable has no such setting.
        seconds: Of each epoch, validation included; of the slowest worker.
        samples_per_second: Mean over the epochs, in training, of all workers; None if the trainable takes its data
            past `Trainable.shard`, which counts them.
        nodes: The nodes that the workers were on.
    """

    mode: str
    workers: int
    batch: int | None
    seconds: tuple[float, ...]
    samples_per_second: float | None
    nodes: int


@dataclass(frozen=True)
class Failed:
    """A measurement that broke, and why."""

    mode: str
    workers: int
    kind: str
    cause: str


class DataParallel:
    """Times the default configuration of a study's trainable on the Ray that is connected.

    Args:
        study: The study; its resources are those of each worker.
        trainable: Its trainable's class.
        workers: The numbers of workers.
        modes: Of `MODES`.
        batch: Samples a batch of one worker; those of the default configuration if None.

    Raises:
        UserError: The trainable has no default configuration or no batch size, or its batch cannot be shared evenly.
    """

    def __init__(
        self, study: StudySpec, trainable: type, workers: list[int], modes: list[str], batch: int | None = None
    ) -> None:
        self.study = study
        self.workers = workers
        self.modes = modes
        self.config = _default(study, trainable)
        self.settings = _settings(study, trainable, self.config)
        self.batch_key = _batch_key(self.settings, study.trainable, "strong" in modes, batch)
        self.batch: int | None = batch or (self.settings[self.batch_key] if self.batch_key else None)
        if "strong" in modes:
            self._check_batch()

    def _check_batch(self) -> None:
        for count in self.workers:
            if self.batch is not None and self.batch % count:
                raise UserError(
                    f"--workers {count}: a batch of {self.batch} ({self.batch_key}) cannot be shared evenly by {count} "
                    f"workers; give --batch with a number that all counts divide, or --mode weak"
                )

    def run(self, epochs: int, folder: Path) -> Iterator[Timing | Failed]:
        """Time each number of workers in each mode, one after another.

        Args:
            epochs: How many are timed.
            folder: Where what the trainable prints is kept, which all nodes share.
        """
        for count in self.workers:
            with _placed(count, self.study) as group:
                for mode in self.modes:
                    yield self._time(group, mode, count, epochs, folder)

    def _time(self, group: Any, mode: str, workers: int, epochs: int, folder: Path) -> Timing | Failed:
        spec = self.spec(mode, workers, folder)
        try:
            heard = ray.get(group.time.remote(spec, epochs))
        except RayError as error:
            heard = Broke("lost", f"{type(error).__name__}: {str(error).splitlines()[0]}")
        if isinstance(heard, Broke):
            return Failed(mode, workers, heard.kind, heard.cause)
        rates = [metrics[0]["samples_per_second"] for metrics, _ in heard]
        return Timing(
            mode, workers, spec.config[self.batch_key] if self.batch_key else None,
            tuple(max(each["seconds"] for each in metrics) for metrics, _ in heard), mean(rates) or None, heard[0][1],
        )  # fmt: skip

    def spec(self, mode: str, workers: int, folder: Path) -> TrialSpec:
        """What a group of so many workers is told to train."""
        study = self.study
        config = dict(self.config)
        if self.batch_key and self.batch:
            config[self.batch_key] = self.batch // workers if mode == "strong" else self.batch
        return TrialSpec(
            trial=0, trainable=study.trainable, config=config, fixed=study.config, seed=study.seed, data=study.data,
            precision=study.resources.precision, lr_scaling=study.resources_of(config).lr_scaling, folder=folder,
            checkpoint=None, save_at=frozenset(), import_from=study.import_from,
            epoch_seconds=study.limits.epoch_seconds, parts=max(self.workers) if mode == "weak" else None,
        )  # fmt: skip


def rows(timings: list[Timing]) -> list[dict[str, Any]]:
    """Each timing as plain data, with its speed against the fewest workers of its mode."""
    found = []
    for mode in MODES:
        mine = {timing.workers: timing for timing in timings if timing.mode == mode}
        seconds = {workers: mean(timing.seconds) for workers, timing in mine.items()}
        for workers, speed in speeds(seconds, work_grows=mode == "weak").items():
            timing = mine[workers]
            found.append(
                {
                    "mode": mode, "workers": workers, "nodes": timing.nodes, "batch": timing.batch,
                    "seconds": seconds[workers],
                    "spread": stdev(timing.seconds) if len(timing.seconds) > 1 else None,
                    "samples_per_second": timing.samples_per_second, "speed_up": speed.speed_up, "ideal": speed.ideal,
                    "efficiency": speed.efficiency, "epochs": list(timing.seconds),
                }
            )  # fmt: skip
    return found


def _default(study: StudySpec, trainable: type) -> Config:
    config = default_config(study, trainable)
    if config is None:
        raise UserError(
            f"{study.trainable} has no default configuration to train; give its class a mapping 'defaults' of settings"
        )
    return config


def _settings(study: StudySpec, trainable: type, config: Config) -> dict[str, Any]:
    """All settings that the default configuration trains with, flat."""
    defaults: Mapping[str, Any] = getattr(trainable, "defaults", {})
    return {**flatten(dict(defaults)), **flatten(dict(study.config)), **config}


def _batch_key(settings: Mapping[str, Any], name: str, needed: bool, batch: int | None) -> str | None:
    """The setting that holds the batch size; None if there is none and none is needed."""
    found = [key for key in settings if key.split(".")[-1] == BATCH_KEY]
    if len(found) == 1:
        value = settings[found[0]]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UserError(f"{found[0]} of {name} is {value!r}, but must be a whole number of at least 1 to scale it")
        return found[0]
    have = f"has several settings of that name: {', '.join(found)}" if found else "has no setting of that name"
    if needed or batch is not None:
        option = "--mode strong divides" if needed else "--batch sets"
        raise UserError(f"{option} the setting '{BATCH_KEY}', and {name} {have}; use --mode weak without --batch")
    return None


# On Ray


class _Group:
    """The actor in a placement group's first bundle that holds the workers in its others, as a trial's slot does."""

    def __init__(self, workers: int, cpus: float, gpus: float) -> None:
        self._resources = (workers, cpus, gpus)
        self._group: WorkerGroup | None = None

    def time(self, spec: TrialSpec, epochs: int) -> list[tuple[list[dict[str, float]], int]] | Broke:
        """Train an epoch to warm up and so many more; the metrics by rank of those, and the number of nodes."""
        try:
            if self._group is None:
                self._group = WorkerGroup(*self._resources)
            self._group.call("begin", spec)
            nodes = len(set(self._group.call("node")))
            trained = [self._group.call("epoch", timeout=spec.epoch_seconds) for _ in range(1 + epochs)]
        except TrialFailure as failure:
            if self._group is not None:
                self._group.close()
            self._group = None
            return Broke(failure.kind, failure.cause)
        return [([metrics for _, metrics, _ in ranks], nodes) for ranks in trained[1:]]


@contextlib.contextmanager
def _placed(workers: int, study: StudySpec) -> Iterator[Any]:
    """A group of workers in a placement group of its own."""
    resources = study.resources
    bundle = {"CPU": resources.cpus, **({"GPU": resources.gpus} if resources.gpus else {})}
    place = placement_group([{SLOT_RESOURCE: 1.0}] + [bundle] * workers, strategy="PACK")
    try:
        _wait_for(place, workers)
        yield (
            ray.remote(_Group)
            .options(
                num_cpus=0,
                resources={SLOT_RESOURCE: 1.0},
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    place, 0, placement_group_capture_child_tasks=True
                ),
            )
            .remote(workers, resources.cpus, resources.gpus)
        )
    finally:
        # It takes the group's actor and the workers with it.
        remove_placement_group(place)


def _wait_for(place: Any, workers: int) -> None:
    try:
        ray.get(place.ready(), timeout=_PLACE_SECONDS)
    except GetTimeoutError:
        raise UserError(
            f"--workers {workers}: the cluster had no place for so many within {_PLACE_SECONDS / 60:g} minutes"
        ) from None
