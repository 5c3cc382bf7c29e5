"""One measurement of scaling: what is asked, what fits on the Ray at hand, and all that came out, as plain data."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raise_hpo.curves import CurveTable
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.session import checked_trainable
from raise_hpo.study import StudySpec

if TYPE_CHECKING:
    from raise_hpo.drive.data_parallel import DataParallel, Failed, Timing

_BUSY_BEFORE = 0.2


@dataclass
class Measurement:
    """Scaling of a study's trainable over workers, and of the study over slots.

    Attributes:
        study: The study.
        workers: Numbers of workers; None for powers of two as far as they fit.
        modes: ``weak``, ``strong``.
        epochs: Epochs that are timed, after one that is not.
        batch: Samples a batch of one worker; those of the default configuration if None.
        slots: Numbers of slots to run the study with.
        simulated: Whether to simulate all numbers of slots and run none.
        curves: What to simulate from; the study run with the most slots if None.
        say: Told what is going on.
    """

    study: StudySpec
    workers: list[int] | None
    modes: list[str]
    epochs: int
    batch: int | None
    slots: list[int]
    simulated: bool = False
    curves: str | None = None
    say: Callable[[str], None] = lambda words: None
    machine: dict[str, Any] = field(default_factory=dict)
    timings: list[Timing] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    places: int = 0

    def check(self) -> None:
        """Look at all that can be seen wrong before anything is started.

        Raises:
            UserError: Something in the study or in what is asked; one sentence says what.
        """
        from raise_hpo.drive.measured import costs_of
        from raise_hpo.slot_scaling import check_budget

        if self._trains:
            self._trainable = checked_trainable(self.study, None)
        if self.slots:
            check_budget(self.study)
        if self.simulated and self.slots and self.curves is None:
            raise UserError("--simulated needs learning curves to simulate from: --curves STUDY, or a .csv or .parquet")
        self._source = (CurveTable.read(self.curves), costs_of(self.curves)) if self.curves and self.slots else None
        if self.workers:
            self._data_parallel(self.workers)

    def run(self, folder: Path) -> None:
        """Measure all that is asked.

        Args:
            folder: Where what the trainable prints is kept.

        Raises:
            UserError: A count does not fit, or a study cannot be run; what was measured before is kept.
        """
        if self._trains:
            self._on_ray(folder)
        if self.slots:
            self._over_slots()

    @property
    def _trains(self) -> bool:
        """Whether anything is trained here; what is only simulated needs neither the trainable nor its data."""
        return self.workers != [] or (bool(self.slots) and not self.simulated)

    def _on_ray(self, folder: Path) -> None:
        """See what fits, and time the workers."""
        from raise_hpo.drive.cluster import find_capacity, ray_at_hand

        load = os.getloadavg()[0]
        resources = self.study.resources
        with ray_at_hand():
            capacity = find_capacity(1, resources.cpus, resources.gpus)
            self.places = capacity.slots
            self._look_at_machine(capacity.nodes, load)
            if self.workers != []:
                self._over_workers(folder)

    def _look_at_machine(self, nodes: tuple[str, ...], load: float) -> None:
        import ray

        has = ray.cluster_resources()
        self.machine = {"host": socket.gethostname(), "nodes": len(nodes)}
        self.machine |= {"cpus": has.get("CPU", 0.0), "gpus": has.get("GPU", 0.0), "load": load}
        if len(nodes) == 1 and load > _BUSY_BEFORE * self.machine["cpus"]:
            self.notes.append(
                f"Others were using this machine: load {load:.1f} before, of {self.machine['cpus']:g} CPUs. Times and "
                "speed-ups, even those above the ideal, say little then; measure again when it is quiet."
            )

    def _over_workers(self, folder: Path) -> None:
        from raise_hpo.drive.data_parallel import Failed

        counts = self.workers or _powers_of_two(self.places)
        if not counts or max(counts) > self.places:
            raise UserError(self._too_many(max(counts, default=1)))
        runs = self._data_parallel(counts)
        self.say(f"training on {_listed(counts)} worker(s), {' and '.join(self.modes)}")
        for done in runs.run(self.epochs, folder):
            if isinstance(done, Failed):
                self.failures.append(done)
                self.say(f"{done.workers} worker(s), {done.mode}: {done.kind}: {done.cause}")
            else:
                self.timings.append(done)
                seconds = ", ".join(f"{each:.3g}" for each in done.seconds)
                self.say(f"{done.workers} worker(s), {done.mode}: {seconds} s an epoch")
        if any(timing.samples_per_second is None for timing in self.timings):
            self.notes.append(
                f"{self.study.trainable} takes its data past self.shard, so that samples are not counted and its "
                "workers' shares of the data are its own."
            )

    def _data_parallel(self, counts: list[int]) -> DataParallel:
        from raise_hpo.drive.data_parallel import DataParallel

        return DataParallel(self.study, self._trainable, counts, self.modes, self.batch)

    def _too_many(self, count: int) -> str:
        resources, machine = self.study.resources, self.machine
        here = "this machine has" if machine["nodes"] == 1 else f"the {machine['nodes']} nodes have"
        return (
            f"--workers {count}: that many workers of {resources.cpus:g} CPU(s) and {resources.gpus:g} GPU(s) do not "
            f"fit: {here} {machine['cpus']:g} CPU(s) and {machine['gpus']:g} GPU(s), "
            + (f"so that 1 to {self.places} are possible" if self.places else "and not even one fits")
        )

    def _over_slots(self) -> None:
        from raise_hpo.slot_scaling import run_with

        fits = 0 if self.simulated else self.places // self.study.resources.starting_workers
        last: StudyFolder | None = None
        for count in [count for count in self.slots if count <= fits]:
            self.say(f"running the study with {count} slot(s)")
            row, last = run_with(self.study, count)
            self.taken.append(row)
        if too_many := [count for count in self.slots if count > fits]:
            self._simulate(too_many, fits, last)

    def _simulate(self, counts: list[int], fits: int, last: StudyFolder | None) -> None:
        """Simulate what does not fit or is not to be run, and the fewest that does, to compare with."""
        from raise_hpo.slot_scaling import curves_of, simulate_with

        why = "" if self.simulated else f"{_listed(counts)} slots do not fit here ({fits} do)"
        if last is None and self._source is None:
            raise UserError(f"--slots {_listed(counts)}: {why}; add a number that does, or give --curves to simulate")
        self.say(f"simulating the study with {_listed(counts)} slots")
        try:
            source = self._source or curves_of(last)  # type: ignore[arg-type]
            rows, notes = simulate_with(self.study, sorted({min(self.slots), *counts}), *source)
        except UserError as error:
            if last is None:
                raise
            self.notes.append(f"{why}, and they could not be simulated: {error}.")
        else:
            self.taken += rows
            self.notes += [*([f"{why}: they are simulated, and {min(self.slots)} with them."] if why else []), *notes]

    def document(self) -> dict[str, Any]:
        """All of it as plain data: what was asked, where, rows of workers and of slots, failures, notes."""
        from raise_hpo.drive.data_parallel import rows
        from raise_hpo.slot_scaling import slot_rows

        resources = self.study.resources
        return {
            "study": self.study.name, "trainable": self.study.trainable, "machine": self.machine,
            "worker": {"cpus": resources.cpus, "gpus": resources.gpus, "precision": resources.precision},
            "epochs": self.epochs, "workers": rows(self.timings), "slots": slot_rows(self.taken),
            "failures": [asdict(failed) for failed in self.failures], "notes": list(self.notes),
        }  # fmt: skip


def _powers_of_two(most: int) -> list[int]:
    """1, 2, 4, … as far as they fit."""
    return [2**power for power in range(most.bit_length())]


def _listed(counts: list[int]) -> str:
    return ", ".join(map(str, counts))
