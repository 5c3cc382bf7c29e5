"""Six trials of two data-parallel workers each, two trials at a time, on three trial seams, side by side.

    python benchmarks/turnaround.py [--epochs 8] [--repeats 1]

`raise-hpo`: this project's seam, a warm worker group a slot. `plain`: a Ray Tune class Trainable that owns a group of
workers and makes it anew for each trial. `nested`: a Tune function that runs a Ray Train `TorchTrainer`. Same model,
data, learning rates and epochs in each, no early stopping, a checkpoint an epoch. Timed from the call into Tune to
its return, in a process of its own, with Ray started before. Left out: starting Ray itself, and what a larger
model or slower file system would add to all three alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LEARNING_RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
WORKERS, AT_ONCE = 2, 2


def seam_raise_hpo(epochs: int, folder: Path) -> float:
    from raise_hpo.decide import DecisionCore
    from raise_hpo.drive.cluster import LocalRay
    from raise_hpo.study import StudySpec

    spec = StudySpec.model_validate(
        {
            "trainable": "toy:Toy", "import_from": str(HERE), "search_space": {"lr": {"choice": LEARNING_RATES}},
            "searcher": "grid", "scheduler": "none", "default": False, "max_epochs": epochs,
            "budget": {"trials": len(LEARNING_RATES)}, "resources": {"workers": WORKERS},
        }
    )  # fmt: skip
    with LocalRay(cpus=WORKERS * AT_ONCE) as local:
        from raise_hpo.drive.ray_tune import RayTuneDriver

        core = DecisionCore(spec, lambda events: None)
        core.begin("turnaround", AT_ONCE, {})
        began = time.perf_counter()
        RayTuneDriver(core, folder, local.storage, AT_ONCE).run()
        seconds = time.perf_counter() - began
    assert core.history.counts()["finished"] == len(LEARNING_RATES), [trial.why for trial in core.history.trials]
    return seconds


def seam_plain(epochs: int, folder: Path) -> float:
    import ray
    from plain_trainable import PlainTrainable
    from ray import tune

    start_ray(with_dashboard=False)
    bundles = [{"CPU": 0.01}] + [{"CPU": 1}] * WORKERS
    tuner = tune.Tuner(
        tune.with_resources(PlainTrainable, tune.PlacementGroupFactory(bundles, strategy="PACK")),
        param_space={"lr": tune.grid_search(LEARNING_RATES), "epochs": epochs, "workers": WORKERS},
        tune_config=tune.TuneConfig(metric="val_loss", mode="min", max_concurrent_trials=AT_ONCE),
        run_config=tune.RunConfig(
            name="plain", storage_path=str(folder), verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1, num_to_keep=1),
        ),
    )  # fmt: skip
    seconds = timed_fit(tuner)
    ray.shutdown()
    return seconds


def seam_nested(epochs: int, folder: Path) -> float:
    import ray
    from nested_trainer import run_trainer
    from ray import tune

    # Without the dashboard's state API, Train's placement-group cleaner waits for ever.
    start_ray(with_dashboard=True)
    tuner = tune.Tuner(
        tune.with_resources(run_trainer, {"CPU": 0.01}),
        param_space={
            "lr": tune.grid_search(LEARNING_RATES),
            "epochs": epochs,
            "workers": WORKERS,
            "folder": str(folder),
        },
        tune_config=tune.TuneConfig(metric="val_loss", mode="min", max_concurrent_trials=AT_ONCE),
        run_config=tune.RunConfig(name="nested", storage_path=str(folder), verbose=0),
    )
    seconds = timed_fit(tuner)
    ray.shutdown()
    return seconds


def start_ray(with_dashboard: bool) -> None:
    import ray

    ray.init(
        address="local", num_cpus=WORKERS * AT_ONCE + 1, include_dashboard=with_dashboard,
        log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}},
    )  # fmt: skip


def timed_fit(tuner: Any) -> float:
    began = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - began
    assert results.num_errors == 0 and len(results) == len(LEARNING_RATES), results.errors
    return seconds


SEAMS = {"raise-hpo": seam_raise_hpo, "plain": seam_plain, "nested": seam_nested}


def measure(seam: str, epochs: int) -> float:
    """Run one seam in a fresh process."""
    command = [sys.executable, __file__, "--seam", seam, "--epochs", str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        sys.exit(f"{seam} failed:\n{done.stdout}\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each seam, in turn; medians are shown")
    parser.add_argument("--seam", choices=SEAMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.seam:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"seconds": SEAMS[options.seam](options.epochs, Path(folder))}))
        return
    runs = {seam: [] for seam in SEAMS}
    for _ in range(options.repeats):
        for seam in SEAMS:
            runs[seam].append(measure(seam, options.epochs))
    ours = statistics.median(runs["raise-hpo"])
    print(f"{'seam':<12}{'seconds':>9}{'times ours':>12}")
    for seam, seconds in runs.items():
        median = statistics.median(seconds)
        print(f"{seam:<12}{median:>9.1f}{median / ours:>12.1f}")


if __name__ == "__main__":
    main()
