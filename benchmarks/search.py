"""Races searchers and schedulers, ours and other packages', on the same learning curves, virtual clock and seeds.

    python benchmarks/search.py --slots 4,16,96 --seeds 20
    python benchmarks/search.py --curves FILE.csv --slots 4,16,96 --seeds 20

A table of learning curves has a row a training: its hyperparameters, then loss_0 ... loss_N, and optionally
seconds_per_epoch. Results are kept in a file, and what it has is not run again. Other packages race from an
environment of their own, .venv-bench, which `make bench-env` makes; without it only our side races.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCH_ENV = ROOT / ".venv-bench"
RESULTS = ROOT / "benchmarks" / "results" / "search.jsonl"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

LEFT_OUT = """
What this comparison leaves out
  Losses come from surrogates fitted to recorded learning curves, not from training.
  Searchers' own time, starting a trial and loading a checkpoint are charged to nobody.
  An epoch takes the table's seconds_per_epoch, and where there is none all epochs take equally long.
  A race's regret is that of the best loss that any trial has reported so far, at any epoch.
  All contestants get the table's search space, the table's last epoch, a first rung at one epoch and a reduction factor
  of 3; the rest are each package's defaults, and curve's first rung is its own choice. Conditions between
  hyperparameters are told to our side alone; peers propose values for all, and those that are not active are dropped.
  Random numbers of some packages do not repeat under their seed.
  mobster-like is no package: it is ASHA with a Gaussian process as in MOBSTER, which Syne Tune has dropped."""


def main() -> None:
    options = parsed()
    use_bench_env()
    from raise_hpo.errors import UserError

    try:
        compete(options)
    except UserError as error:
        sys.exit(f"search.py: {error}")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, nargs="+", default=[], metavar="FILE", help="tables, .csv or .parquet")
    parser.add_argument("--tasks", type=names, help="built-in tasks; all of them if there is no --curves either")
    parser.add_argument("--slots", type=numbers, default=[4, 16, 96], help="trials at a time, such as 4,16,96")
    parser.add_argument("--seeds", type=int, default=20, help="races of each contestant in each setting")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--contestants", type=names, help="all that are installed, if not given")
    parser.add_argument("--ours", default="curve", help="the contestant that all others are compared with")
    parser.add_argument("--surrogate", choices=["gp", "nearest", "both"], default="gp")
    parser.add_argument("--floor", type=float, default=1e-4, help="the least regret that counts in ratios")
    parser.add_argument("--run-seconds", type=float, default=300, help="processor time after which a race is left out")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file that keeps the results, .jsonl")
    parser.add_argument("--recorded", action="store_true", help="tell what the results file has, and run nothing")
    return parser.parse_args()


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers(text: str) -> list[int]:
    return [int(number) for number in names(text)]


def use_bench_env() -> None:
    """Go on in the peers' environment if there is one, each process with one thread."""
    python = BENCH_ENV / "bin" / "python"
    if python.exists() and Path(sys.prefix) != BENCH_ENV:
        os.execve(python, [str(python), *sys.argv], {**os.environ, **ONE_THREAD})
    os.environ.update(ONE_THREAD)


def compete(options: argparse.Namespace) -> None:
    from search_race.runs import Entry, key_of, read, run_all
    from search_race.tasks import tasks

    kinds = ["gp", "nearest"] if options.surrogate == "both" else [options.surrogate]
    chosen, racing = tasks(options.tasks, options.curves, kinds), contestants(options)
    entries = [
        Entry(task, slots, seed, contestant)
        for seed in range(options.first_seed, options.first_seed + options.seeds)
        for task in chosen
        for slots in options.slots
        for contestant in racing
    ]
    if not options.recorded:
        run_all(entries, options.results, options.processes, options.run_seconds)
    asked = {entry.key() for entry in entries}
    show([record for record in read(options.results) if key_of(record) in asked], options.ours, options.floor)


def contestants(options: argparse.Namespace) -> list[str]:
    """Those asked for that can race here, or that need not; of those that cannot it is told why."""
    from search_race.contestants import OURS, PEERS, missing

    asked = options.contestants or [*OURS, *PEERS]
    absent = {name: why for name in asked if (why := missing(name)) and not options.recorded}
    for name, why in absent.items():
        print(f"{name} does not race: {why}")
    return [name for name in asked if name not in absent]


def show(records: list[dict[str, object]], ours: str, floor: float) -> None:
    from search_race import tables

    print("\n".join([*tables.regret_table(records), *tables.ratio_table(records, ours, floor)]))
    print("\n".join(["", *tables.left_out(records), *tables.mixed(records)]))
    print(LEFT_OUT)
    print("  Versions:")
    print("\n".join(tables.versions(records)))


if __name__ == "__main__":
    main()
