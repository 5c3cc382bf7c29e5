"""Scaling of a study over its slots: run it with 1, 2, 4, … trials at a time, or simulate it where they do not fit.

Each run is a study of its own, of the same seed and budget. The simulation is that of ``raise-hpo simulate``.
"""

from __future__ import annotations

import math
from typing import Any

from raise_hpo.curves import CurveTable
from raise_hpo.drive.compare import Comparison
from raise_hpo.drive.forecast import best_by
from raise_hpo.drive.measured import measured_costs
from raise_hpo.drive.simulator import Costs
from raise_hpo.drive.speed import speeds
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.report.words import counted
from raise_hpo.session import Session
from raise_hpo.study import StudySpec

_SEEDS = 3


def check_budget(study: StudySpec) -> None:
    """See that a study with more slots can be over sooner.

    Raises:
        UserError: Its budget is a time.
    """
    if study.budget.hours is not None:
        raise UserError(
            f"--slots compares how soon the same study is over, and budget.hours is {study.budget.hours:g}; "
            "give the budget as trials or epochs: --set budget.hours=null --set budget.trials=20"
        )


def run_with(study: StudySpec, slots: int) -> tuple[dict[str, Any], StudyFolder]:
    """Run a study with so many slots on the Ray at hand; what it took, and its folder.

    Raises:
        UserError: It cannot be run, or was stopped.
    """
    from raise_hpo.drive.cluster import ray_at_hand

    session = Session.start(study.changed(name=f"{study.name}-slots-{slots}"), slots=slots)
    session.ray = ray_at_hand()
    history = session.run()
    if history.state != "finished":
        raise UserError(f"study {session.folder.name} was {history.state} ({history.why}) before it was over")
    taken = {
        "slots": slots, "how": "run", "study": session.folder.name, "seconds": history.seconds,
        "epochs": history.epochs, "busy": history.busy_fraction(), "best": best_by(history, [math.inf])[0],
    }  # fmt: skip
    return taken, session.folder


def simulate_with(
    study: StudySpec, slots: list[int], table: CurveTable, costs: Costs
) -> tuple[list[dict[str, Any]], list[str]]:
    """Simulate a study with each number of slots; medians over `_SEEDS` seeds, and what is to be known of them.

    Raises:
        UserError: The curves and the study do not fit together.
    """
    comparison = Comparison.prepare(study, table, costs, None)
    for _ in comparison.simulate([study], slots, _SEEDS):
        pass
    rows = [
        {
            "slots": row["slots"], "how": "simulated", "study": table.name, "seconds": row["seconds"],
            "epochs": row["epochs"], "busy": 1.0 - row["idle"], "best": row["best"][-1],
        }
        for row in comparison.medians()
    ]  # fmt: skip
    return rows, [f"Simulated over {counted(len(table), 'training')} of {table.name}.", *comparison.notes]


def curves_of(folder: StudyFolder) -> tuple[CurveTable, Costs]:
    """A study's learning curves, and what it cost besides training.

    Raises:
        UserError: No trial has reported an epoch.
    """
    history = folder.history()
    return CurveTable.of_history(history, folder.name), measured_costs(history)


def slot_rows(taken: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each run or simulation with its speed against the fewest slots, runs against runs."""
    found = []
    for how in ("run", "simulated"):
        mine = {row["slots"]: row for row in taken if row["how"] == how}
        for slots, speed in speeds({slots: row["seconds"] for slots, row in mine.items()}).items():
            row = mine[slots]
            rate = 3600 * row["epochs"] / row["seconds"]
            found.append(
                {
                    **row, "epochs_per_hour": rate, "speed_up": speed.speed_up, "ideal": speed.ideal,
                    "efficiency": speed.efficiency,
                }
            )  # fmt: skip
    return found
