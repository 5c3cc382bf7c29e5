"""Compares schedulers with and without the predicting stopper: the same trials, surrogates, virtual clock and seeds.

    python benchmarks/stopper.py
    python benchmarks/stopper.py --curves FILE.csv --schedulers hyperband --stoppers svr,last,qsvr --seeds 20

A study has whole cycles of Hyperband's brackets, and as many trials as ASHA needs to train one to the end. Tasks are
those of search.py. Results are kept in a file; what it has of the same code is not simulated again.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from search import ONE_THREAD, names

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "stopper.jsonl"

LEGEND = """
saved: share of the epochs that the stopper spares, at equal numbers of trials. wall time: simulated, over that without.
final: regret of what a study ends with, the last loss of its best trial that went furthest; 0 is the best known loss,
1 that of the median random configuration's best epoch. least: regret of the least loss that any trial reported at any
epoch. Each is that without the stopper, and beside it the mean change, paired by seeds.
trusted: share of judgements in which the guard let the model predict. stops: trials that the stopper ended.
Ratios are of sums; intervals are bootstraps over seeds, 2.5 to 97.5 %. swift_hyperband, which has its own rule, is
compared with hyperband. asha-warm is asha-promotion that begins from another seed's study of the same task, on both
sides.

What this comparison leaves out
  Losses come from surrogates fitted to recorded learning curves, not from training, and configurations from random
  search. Reports at any epoch are luck where curves are noisy: who trains fewer epochs has fewer of them.
  The stopper's own computing time is not on the virtual clock; processor seconds of a whole simulated study:"""


def main() -> None:
    os.environ.update(ONE_THREAD)
    from raise_hpo.errors import UserError

    try:
        compete(parsed())
    except UserError as error:
        sys.exit(f"stopper.py: {error}")


def parsed() -> argparse.Namespace:
    from stopper_race.runs import SCHEDULERS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, nargs="+", default=[], metavar="FILE", help="tables, .csv or .parquet")
    parser.add_argument("--tasks", type=names, help="built-in tasks; all of them if there is no --curves either")
    parser.add_argument("--schedulers", type=names, default=list(SCHEDULERS))
    parser.add_argument("--stoppers", type=names, default=["svr", "last"], help="such as svr,last,qsvr")
    parser.add_argument("--seeds", type=int, default=20, help="studies of each kind")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=4, help="trials at a time")
    parser.add_argument("--surrogate", choices=["gp", "nearest"], default="gp")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file that keeps the results, .jsonl")
    return parser.parse_args()


def compete(options: argparse.Namespace) -> None:
    from search_race.tasks import tasks
    from stopper_race.runs import SCHEDULERS, Entry, run_all
    from stopper_race.tables import column, table

    from raise_hpo.predict.names import STOPPERS

    check("--schedulers", options.schedulers, SCHEDULERS)
    check("--stoppers", options.stoppers, STOPPERS)
    entries = [
        Entry(task, scheduler, stopper, seed, options.slots)
        for task in tasks(options.tasks, options.curves, [options.surrogate])
        for scheduler in with_what_it_is_compared_with(options.schedulers)
        for stopper in (["none"] if scheduler == "swift_hyperband" else ["none", *options.stoppers])
        for seed in range(options.first_seed, options.first_seed + options.seeds)
    ]
    records = run_all(entries, options.results)
    print("\n".join(["", *table(records), LEGEND]))
    for stopper in dict.fromkeys(record["stopper"] for record in records):
        thought = column([record for record in records if record["stopper"] == stopper], "thought")
        print(f"    {stopper:<6}{thought.mean():>7.2f} on average, {thought.max():.2f} at most")


def check(option: str, given: list[str], valid: object) -> None:
    """Raise a `UserError` for an unknown name."""
    from raise_hpo.errors import UserError, nearest

    for name in given:
        if name not in valid:
            raise UserError(f"{option} has {name!r}, {nearest(name, valid)}")


def with_what_it_is_compared_with(schedulers: list[str]) -> list[str]:
    """The schedulers, and Hyperband first if Swift-Hyperband is among them."""
    missing = "swift_hyperband" in schedulers and "hyperband" not in schedulers
    return ["hyperband", *schedulers] if missing else schedulers


if __name__ == "__main__":
    main()
