"""Studies that need no training: a search space, and learning curves that a formula gives."""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from raise_hpo import cli
from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Costs, Simulator, VirtualClock
from raise_hpo.history import Config
from raise_hpo.journal import Event
from raise_hpo.study import StudySpec

SPACE = {"lr": "loguniform(1e-4, 1e-1)", "layers": "randint(1, 5)"}
DEFAULT = {"lr": 0.0005, "layers": 1}
NOTHING = Costs()
SHARED_DATA = Path(os.environ.get("RAISE_HPO_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def spec(**changes: Any) -> StudySpec:
    """A small study of a trainable that is never trained."""
    given: dict[str, Any] = {
        "trainable": "curve:Curve",
        "search_space": SPACE,
        "searcher": "random",
        "scheduler": {"asha": {"mode": "promotion"}},
        "max_epochs": 9,
        "budget": {"trials": 20},
    }
    return StudySpec.model_validate(given | changes)


def curve(config: Config, epoch: int) -> Mapping[str, float]:
    """A loss that falls to a floor which the configuration decides."""
    floor = (math.log10(config["lr"]) + 2.5) ** 2 + 0.1 * config["layers"]
    return {"val_loss": floor + 1.0 / epoch, "seconds": 1.0}


def simulator(
    study: StudySpec,
    events: list[Event],
    before: list[Event] | None = None,
    slots: int = 1,
    curve: Any = curve,
    start: float = 0.0,
    default: Config | None = DEFAULT,
    earlier: Sequence[CurveTable] = (),
    slot_workers: int | None = None,
    costs: Costs = NOTHING,
    seed: int = 0,
) -> Simulator:
    """A simulator whose core logs to `events` and has `before` behind it."""
    clock = VirtualClock(start)
    core = DecisionCore(study, events.extend, default, clock=clock, events=before or [], earlier=earlier)
    starting = study.resources.starting_workers
    places = slots * (slot_workers or starting)
    if before:
        core.go_on(places // starting, places)
    else:
        core.begin("simulated", places // starting, {}, places)
    return Simulator(core, curve, slots, clock, costs=costs, seed=seed, slot_workers=slot_workers)


def killed_and_resumed(study: StudySpec, rng: random.Random, reports: range, **how: Any) -> list[Event]:
    """The events of a study, on one slot, whose driver is killed after so many reports, again and again."""
    events: list[Event] = []
    while True:
        more: list[Event] = []
        start = events[-1]["time"] if events else 0.0
        done = simulator(study, more, before=list(events), start=start, **how).run(reports=rng.choice(reports))
        events += more
        if done:
            return events
        # A kill may tear the last lines off, down to the middle of a report and its decision.
        del events[len(events) - rng.randrange(3) :]


def decisions(events: list[Event]) -> list[tuple[Any, ...]]:
    """What was suggested, reported and decided, in order, without times and without what a restart repeats."""
    kept = {
        "suggested": ("trial", "config", "source"),
        "reported": ("trial", "epoch", "metrics"),
        "decided": ("trial", "epoch", "decision", "why"),
        "finished": ("trial", "value"),
        "failed": ("trial", "kind", "cause", "retry"),
    }
    return [
        (event["event"], *(event[key] for key in kept[event["event"]])) for event in events if event["event"] in kept
    ]


def shared_data(name: str) -> Path:
    """A file of the data that are not part of this repository; the test is skipped, and says so, where it is absent."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there (RAISE_HPO_TEST_DATA names the folder): what needs it was NOT tested")
    return path


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code of a command, and all that it says."""
    monkeypatch.setattr(sys, "argv", ["raise-hpo", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out + told.err
