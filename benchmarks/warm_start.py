"""What a warm start costs and gains: epochs until a study is as good as the same study without an earlier one.

    python benchmarks/warm_start.py --searcher random --scheduler asha --seeds 200

A trial's loss is a quadratic bowl over five dimensions plus a fall that is slow far from the best learning rate, and a
ripple. An earlier study is 40 random trainings of another bowl, whose best point lies 0.05 away in each dimension
(near), anywhere (unrelated), or in the opposite corner (misleading). Printed is, for a budget of so many epochs, how
many the study with a warm start takes to the loss that the one without reaches by then, as a share of the budget.
Losses are geometric means over seeds; the interval is that of 90 % of bootstraps over seeds, of both studies together.
Left out: real trainings, other spaces, other numbers of slots, and the time that a searcher takes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore
from raise_hpo.drive.simulator import Simulator, VirtualClock
from raise_hpo.errors import UserError
from raise_hpo.history import Config
from raise_hpo.journal import Event
from raise_hpo.space import SearchSpace
from raise_hpo.study import StudySpec

Array = NDArray[np.float64]

KINDS = ("misleading", "unrelated", "near")
BUDGETS = (100, 150, 240, 300)
SLOTS = 4
MAX_EPOCHS = 27
LONGEST = 360
"""Epochs of a study, more than the longest budget, so that it can be said how much longer one takes."""
SPACE = {
    "lr": "loguniform(1e-4, 1e-1)", "dropout": "uniform(0, 0.5)", "layers": "randint(1, 6)",
    "width": "choice([16, 32, 64, 128])", "decay": "loguniform(1e-6, 1e-2)",
}  # fmt: skip


class Bowl:
    """A loss with one best point of the unit cube; trainings far from its learning rate are slow."""

    def __init__(self, best: Array) -> None:
        self.best = best
        self.space = SearchSpace.parse(SPACE)

    def __call__(self, config: Config, epoch: int) -> dict[str, float]:
        """The loss of a configuration after an epoch."""
        unit = self.space.to_unit(config)
        away = unit - self.best
        floor = 0.02 + float((away**2 * np.array([3.0, 1.0, 0.7, 0.5, 0.5])).sum())
        ripple = 0.01 * math.sin(97 * float(unit.sum()) + epoch)
        return {"val_loss": floor + math.exp(-epoch / (2 + 6 * abs(away[0]))) + ripple}

    def study(self, rng: np.random.Generator) -> CurveTable:
        """40 random trainings."""
        configs = [self.space.sample(rng) for _ in range(40)]
        losses = [[self(config, epoch)["val_loss"] for epoch in range(1, MAX_EPOCHS + 1)] for config in configs]
        return CurveTable("earlier", self.space, configs, np.array(losses))


def progress(kind: str, seed: int, searcher: str = "random", scheduler: str | None = None) -> Array:
    """The logarithm of a study's best loss after each epoch trained, after an earlier study of a kind (or ``none``)."""
    rng = np.random.default_rng([99, seed])
    best = rng.uniform(0.15, 0.85, 5)
    others: dict[str, Callable[[], Array]] = {
        "near": lambda: np.clip(best + rng.normal(0, 0.05, 5), 0, 1),
        "unrelated": lambda: rng.uniform(0.15, 0.85, 5),
        "misleading": lambda: np.where(best > 0.5, 0.0, 1.0),
    }
    earlier = [Bowl(others[kind]()).study(rng)] if kind in others else []
    losses = [
        event["metrics"]["val_loss"]
        for event in _events(Bowl(best), earlier, seed, searcher, scheduler)
        if event["event"] == "reported"
    ]
    logarithms: Array = np.log(np.minimum.accumulate(losses))[:LONGEST]
    return logarithms


def _events(bowl: Bowl, earlier: Sequence[CurveTable], seed: int, searcher: str, scheduler: str | None) -> list[Event]:
    study = StudySpec.model_validate(
        {
            "trainable": "bowl:Bowl", "search_space": SPACE, "searcher": searcher, "max_epochs": MAX_EPOCHS,
            "scheduler": scheduler or {"asha": {"mode": "promotion"}}, "budget": {"epochs": LONGEST},
            "seed": seed, "default": False,
        }
    )  # fmt: skip
    events: list[Event] = []
    clock = VirtualClock()
    core = DecisionCore(study, events.extend, clock=clock, earlier=earlier)
    core.begin("warm", SLOTS, {})
    Simulator(core, bowl, SLOTS, clock).run()
    return events


def share(budget: int, without: Array, warm: Array) -> float:
    """Epochs to the loss that a study without a warm start has after `budget`, as a share of those; infinite if never.

    Args:
        budget: The epochs.
        without: Logarithms of the best losses without a warm start, shape ``(seeds, epochs)``.
        warm: The same with one.
    """
    reached = warm.mean(axis=0) <= without.mean(axis=0)[budget - 1]
    return (int(np.argmax(reached)) + 1) / budget if reached.any() else math.inf


def interval(budget: int, without: Array, warm: Array, resamples: int = 1000) -> tuple[float, float]:
    """The 5 % and 95 % points of `share` over bootstraps of the seeds."""
    drawn = np.random.default_rng(budget).integers(len(warm), size=(resamples, len(warm)))
    shares = sorted(share(budget, without[rows], warm[rows]) for rows in drawn)
    return shares[resamples // 20], shares[-resamples // 20]


def main() -> None:
    """Print a row for each kind of earlier study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searcher", default="curve")
    parser.add_argument("--scheduler", default="curve", help="a name, or a JSON mapping from a name to options")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=1000)
    given = parser.parse_args()
    scheduler = json.loads(given.scheduler) if given.scheduler.startswith("{") else given.scheduler
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    curves = {}
    for kind in ("none", *KINDS):
        curves[kind] = np.array([progress(kind, seed, given.searcher, scheduler) for seed in seeds])
        if kind != "none":
            print(_row(kind, curves["none"], curves[kind]), flush=True)


def _row(kind: str, without: Array, warm: Array) -> str:
    cells = []
    for budget in BUDGETS:
        low, high = interval(budget, without, warm)
        cells.append(f"{budget} epochs: {share(budget, without, warm):.2f} ({low:.2f}-{high:.2f})")
    return f"{kind:<11} {'   '.join(cells)}"


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
