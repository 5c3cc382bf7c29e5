"""The genetic scheduler against plain searches on 3DGAN, each given the time that the genetic one took.

    python benchmarks/genetic.py [--seeds 3] [--epochs 8] [--population 6] [--showers 48]

Real studies of the packaged sample, one after the other, two trials at a time. For each seed the genetic study runs
until its population is trained to the end. Each other study then has as many hours, with the same space, data, seed and
epochs a trial at most, and no limit of trials. `best` is the objective of the best trial at the last epoch, on the
validation showers that were tuned on; smaller is better. What differs between `genetic` and `pbt` is crossing, mutation
and growth; `curve` is the default searcher and scheduler. Left out: start-up, which all have alike, and what the best
networks do on showers that nobody has seen.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import raise_hpo

WIDTHS = {"width": "choice([0.0625, 0.09375, 0.125])"}
SPACE = {
    "generator_lr": "loguniform(3e-4, 1e-2)", "discriminator_lr": "loguniform(1e-4, 3e-3)",
    "batch_size": "choice([8, 16])", "generation_weight": "loguniform(0.5, 8)", "sum_weight": "loguniform(0.03, 1)",
    "dropout": "uniform(0.0, 0.4)", **WIDTHS,
}  # fmt: skip
PERTURBED = [name for name in SPACE if name not in WIDTHS]
GENETIC = "genetic"


def contestants(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Searcher and scheduler of each, by name; the genetic one first, as it says how much time there is."""
    population = {"population": options.population, "interval": max(1, options.epochs // 4), "quantile": 0.34}
    genetic = {**population, "perturb": PERTURBED, "grow": list(WIDTHS), "crossover": 0.5, "mutation": 0.02}
    return {
        GENETIC: {"searcher": "random", "scheduler": {"genetic": genetic}},
        "pbt": {"searcher": "random", "scheduler": {"pbt": {**population, "perturb": PERTURBED}}},
        "curve": {"searcher": "curve", "scheduler": "curve"},
    }


@dataclass(frozen=True)
class Outcome:
    """What a study came to.

    Attributes:
        best: The best objective among the trials that came to the last epoch; NaN if none did.
        hours: Time at work.
        epochs: Epochs trained.
        trials: Trials, heirs among them.
    """

    best: float
    hours: float
    epochs: int
    trials: int


def run(study: Mapping[str, Any], name: str) -> Outcome:
    """Run a study to its end."""
    history = raise_hpo.tune(study, name=name, slots=2).folder.history()
    best = history.best()
    done = best is not None and best.epoch == history.max_epochs
    value = best.value if best is not None and done and best.value is not None else math.nan
    return Outcome(value, history.seconds / 3600, history.epochs, len(history.trials))


def compete(options: argparse.Namespace) -> dict[str, list[Outcome]]:
    """All studies of all seeds, printed as they end."""
    found: dict[str, list[Outcome]] = {}
    for seed in range(1, options.seeds + 1):
        for name, algorithms in contestants(options).items():
            budget = {"trials": options.population} if name == GENETIC else {"hours": found[GENETIC][-1].hours}
            study = {
                "trainable": "calogan", "search_space": SPACE, "objective": {"metric": "val_physics", "mode": "min"},
                "max_epochs": options.epochs, "budget": budget, "data": {"max_events": options.showers},
                "default": False, "seed": seed, **algorithms,
            }  # fmt: skip
            outcome = run(study, f"{name}-{seed}")
            found.setdefault(name, []).append(outcome)
            cost = f"{60 * outcome.hours:.1f} min, {outcome.epochs} epochs of {outcome.trials} trials"
            print(f"seed {seed}, {name:8} best {outcome.best:.3f} in {cost}", flush=True)
    return found


def main() -> None:
    """Run the studies and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--seeds", 3), ("--epochs", 8), ("--population", 6), ("--showers", 48)):
        parser.add_argument(name, type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as studies:
        os.environ["RAISE_HPO_STUDIES"] = studies
        found = compete(options)
    print("\n|  | best, mean over seeds | best of each seed | epochs |\n|---|---|---|---|")
    for name, outcomes in found.items():
        best = [outcome.best for outcome in outcomes]
        each = " ".join(f"{value:.3f}" for value in best)
        print(f"| {name} | {statistics.fmean(best):.3f} | {each} | {sum(o.epochs for o in outcomes)} |")


if __name__ == "__main__":
    main()
