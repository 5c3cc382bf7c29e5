"""Study folders with journals as a driver leaves them, made by the decision core on a virtual clock."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Costs, Simulator, VirtualClock
from raise_hpo.folder import StudyFolder
from raise_hpo.history import Config
from raise_hpo.journal import Event, Journal
from raise_hpo.study import StudySpec

START = 1_760_000_000.0
SPACE = {
    "lr": "loguniform(1e-4, 3e-2)",
    "dropout": "uniform(0.0, 0.5)",
    "layernorm": "choice([false, true])",
    "output_dim": "choice([32, 64, 128, 256])",
    "num_node_messages": "randint(1, 5)",
    "conv": "choice([gnn, attention])",
    "gnn.bin_size": {"choice": [16, 32, 40, 64, 80], "when": {"conv": "gnn"}},
}
DEFAULT = {
    "lr": 0.0003, "dropout": 0.3, "layernorm": False, "output_dim": 128, "num_node_messages": 2, "conv": "gnn",
    "gnn.bin_size": 80,
}  # fmt: skip


def curve(config: Config, epoch: int) -> Mapping[str, float]:
    """A loss that falls towards a floor which depends on the configuration, with some noise."""
    noise = random.Random(f"{sorted(config.items(), key=str)}{epoch}").gauss(0, 0.004)
    floor = 0.25 + 0.06 * (math.log10(config["lr"] / 3e-3)) ** 2 + 0.15 * config["dropout"] - 0.03 * config["layernorm"]
    floor += 0.02 * abs(math.log2(config["output_dim"] / 128)) + 0.015 * abs(config["num_node_messages"] - 3)
    loss = floor + 0.5 * math.exp(-epoch / (2 + 4 * config["dropout"])) + noise
    return {
        "val_loss": loss, "train_loss": loss * 0.9, "met_response": 1 / (1 + loss), "samples_per_second": 400.0,
        "seconds": seconds(config), "energy_joule": 30 * seconds(config),
    }  # fmt: skip


def seconds(config: Config) -> float:
    """Duration of an epoch."""
    return 3.0 + config.get("output_dim", 40) / 40 + config.get("num_node_messages", 1)


def sometimes_failing(config: Config, epoch: int) -> Mapping[str, float]:
    """`curve`, but large learning rates diverge and one corner of the space runs out of memory."""
    if config["lr"] > 0.015:
        return {**curve(config, epoch), "val_loss": math.nan}
    if config["output_dim"] == 256 and config["num_node_messages"] == 4:
        raise MemoryError("DefaultCPUAllocator: not enough memory: you tried to allocate 8589934592 bytes")
    return curve(config, epoch)


class _Diary:
    """Writes events to a journal with the times that a real driver would have measured."""

    def __init__(self, journal: Journal, build_seconds: float) -> None:
        self.journal = journal
        self.build_seconds = build_seconds
        self.began: dict[int, float] = {}

    def __call__(self, events: list[Event]) -> None:
        self.journal.append([self._measured(dict(event)) for event in events])

    def _measured(self, event: Event) -> Event:
        if event["event"] == "started":
            self.began[event["trial"]] = event["time"]
        elif event["event"] == "reported" and event["trial"] in self.began:
            event["first_batch"] = round(self.began.pop(event["trial"]) + self.build_seconds, 3)
        return event


def make_study(
    path: Path, curve: Callable[[Config, int], Mapping[str, float]] = sometimes_failing,
    default: Config | None = DEFAULT, slots: int = 2, reports: int | None = None, **changes: Any,
) -> StudyFolder:  # fmt: skip
    """A study of 18 trials and 9 epochs under promoting ASHA in a folder of its own.

    Args:
        path: The folder, which is made.
        curve: The learning curves.
        default: The default configuration.
        slots: Trials at a time.
        reports: Break off after so many reports, as a killed driver would.
        changes: Other keys of the study file.
    """
    spec = study(**changes)
    path.mkdir(parents=True)
    folder = StudyFolder(path)
    folder.study_file.write_text(spec.to_yaml())
    clock = VirtualClock(START)
    with Journal(folder.journal) as journal:
        core = DecisionCore(spec, _Diary(journal, 0.8), default, clock=clock)
        core.begin(path.name, slots, {"python": "3.11"})
        Simulator(core, curve, slots, clock, seconds, costs=Costs(build_seconds=0.9)).run(reports)
    return folder


def study(**changes: Any) -> StudySpec:
    """The study's settings."""
    given: dict[str, Any] = {
        "trainable": "mlpf", "name": "mlpf", "search_space": SPACE, "searcher": {"tpe": {"startup_trials": 8}},
        "scheduler": {"asha": {"mode": "promotion"}}, "max_epochs": 9, "budget": {"trials": 18}, "seed": 3,
    }  # fmt: skip
    return StudySpec.model_validate(given | changes)


def go_on(
    folder: StudyFolder, later: float = 3600.0, curve: Callable[..., Any] = sometimes_failing, slots: int = 2
) -> None:
    """Take a study that broke off to its end, so many seconds after its last event."""
    history = folder.history()
    events = list(_events(folder))
    clock = VirtualClock(history.sessions[-1][1] + later)
    with Journal(folder.journal) as journal:
        core = DecisionCore(
            StudySpec.model_validate(history.study), _Diary(journal, 0.8), DEFAULT, clock=clock, events=events
        )
        core.go_on(slots)
        Simulator(core, curve, slots, clock, seconds, costs=Costs(build_seconds=0.9)).run()


def _events(folder: StudyFolder) -> list[Event]:
    from raise_hpo.journal import read

    return read(folder.journal)
