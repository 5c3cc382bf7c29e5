"""Studies that were really run, and their simulations from their own curves and costs: wall time and decisions.

    raise-hpo tune mlpf --slots 1 --name one
    raise-hpo tune mlpf --slots 2 --name two
    python benchmarks/simulator_vs_real.py one two

Each study is replayed by the same decision core on a virtual clock. A trial has the losses and the mean seconds per
epoch that it had in reality; start, building and the time of a report are the medians of the journal. With one slot
every suggestion and decision must be the same. With several, the order in which trials report depends on the machine's
every moment: then the share of equal decisions is told, and configurations that were not trained in reality have
modelled curves. Wall time must agree within 15 %. Left out: Ray's own start, before the study begins.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.measured import measured_costs
from raise_hpo.drive.simulator import Simulator, VirtualClock
from raise_hpo.drive.study_curves import Curves
from raise_hpo.folder import StudyFolder, find_study
from raise_hpo.history import Config, History
from raise_hpo.journal import Event, read
from raise_hpo.study import StudySpec

TOLERANCE = 0.15
KEPT = {
    "suggested": ("trial", "config", "source"),
    "reported": ("trial", "epoch"),
    "decided": ("trial", "epoch", "decision", "why"),
    "finished": ("trial", "value"),
    "failed": ("trial", "kind", "retry"),
}


@dataclass
class Agreement:
    """What a real study and its simulation have in common."""

    name: str
    slots: int
    trials: int
    epochs: int
    real_seconds: float
    simulated_seconds: float
    equal: int
    decisions: int

    @property
    def error(self) -> float:
        return self.simulated_seconds / self.real_seconds - 1

    @property
    def holds(self) -> bool:
        return abs(self.error) <= TOLERANCE and (self.slots > 1 or self.equal == self.decisions)


def compare(folder: StudyFolder) -> Agreement:
    real = read(folder.journal)
    history = History(real)
    simulated, seconds = replay(history, folder.name)
    ours, theirs = kept(simulated), kept(real)
    equal = sum(one == other for one, other in zip(ours, theirs, strict=False))
    if history.slots > 1:
        equal = len(set(map(repr, ours)) & set(map(repr, theirs)))
    return Agreement(
        folder.name, history.slots, len(history.trials), history.epochs, history.seconds, seconds,
        equal, max(len(ours), len(theirs)),
    )  # fmt: skip


def replay(history: History, name: str) -> tuple[list[Event], float]:
    """The events of the simulated study, and how long it took."""
    study = StudySpec.model_validate(history.study)
    curves = Curves(study, CurveTable.of_history(history, name))
    costs = measured_costs(history)
    events: list[Event] = []
    clock = VirtualClock(costs.start_seconds)
    core = DecisionCore(study, events.extend, _default(history), clock=clock)
    core.begin(name, history.slots, {})
    Simulator(core, curves.metrics, history.slots, clock, curves.seconds, costs).run()
    return events, clock.now


def _default(history: History) -> Config | None:
    trial = history.default()
    return None if trial is None else trial.config


def kept(events: list[Event]) -> list[tuple[Any, ...]]:
    """What was suggested, reported and decided, without times."""
    return [
        (event["event"], *(event[key] for key in KEPT[event["event"]])) for event in events if event["event"] in KEPT
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", help="names or folders of finished studies")
    found = [compare(find_study(study)) for study in parser.parse_args().studies]
    print(f"{'study':<12}{'slots':>6}{'trials':>8}{'epochs':>8}{'real s':>9}{'simulated s':>13}{'error':>8}  decisions")
    for each in found:
        print(
            f"{each.name:<12}{each.slots:>6}{each.trials:>8}{each.epochs:>8}{each.real_seconds:>9.1f}"
            f"{each.simulated_seconds:>13.1f}{each.error:>8.1%}  {each.equal} of {each.decisions} equal"
        )
    sys.exit(not all(each.holds for each in found))


if __name__ == "__main__":
    main()
