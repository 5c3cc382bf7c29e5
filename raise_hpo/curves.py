"""Tables of learning curves: one training a row, its hyperparameters and its loss after each epoch.

A table comes from a CSV or Parquet file (hyperparameters, then ``loss_0 … loss_N``, optionally ``seconds_per_epoch``)
or from a study's journal. Where no study tells the search space, it is inferred from the columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raise_hpo.curve_files import READERS, write_parquet
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder, find_study
from raise_hpo.history import History, Trial
from raise_hpo.space import Config, SearchSpace, config_key


@dataclass(frozen=True)
class CurveTable:
    """Learning curves and the configurations that they belong to.

    Attributes:
        name: The file's or the study's name.
        space: The study's search space, or the one inferred from the columns.
        configs: One a row, flat.
        losses: Shape ``(rows, epochs)``, smaller is better. NaN from where a trial was not trained on; infinite where
            it had diverged.
        seconds: Seconds per epoch, shape ``(rows,)``, where they are known.
    """

    name: str
    space: SearchSpace
    configs: list[Config]
    losses: NDArray[np.float64]
    seconds: NDArray[np.float64] | None = None

    @classmethod
    def read(cls, source: str | Path) -> CurveTable:
        """Read a table from a ``.csv`` or ``.parquet`` file, or a study by its name or folder.

        Raises:
            UserError: There is no such file or study, or it is no table of learning curves.
        """
        path = Path(source)
        if path.suffix in READERS and not path.is_dir():
            if not path.is_file():
                raise UserError(f"{source}: there is no such file; curves are a .csv or .parquet file, or a study")
            return cls(path.stem, *READERS[path.suffix](path))
        if path.is_file():
            raise UserError(f"{source}: curves are read from a .csv or .parquet file, or from a study by its name")
        return _read_study(find_study(str(source)))

    @classmethod
    def of_history(cls, history: History, name: str) -> CurveTable:
        """The curves of a study's trials; those that began from another trial's checkpoint are left out.

        Raises:
            UserError: No trial has reported an epoch.
        """
        trials = [trial for trial in history.trials if trial.parent is None and (trial.values or _diverged(trial))]
        if not any(trial.values for trial in trials):
            raise UserError(f"study {name}: no trial has reported an epoch, so it has no learning curves")
        losses = np.full((len(trials), max(trial.epoch for trial in trials)), np.nan)
        for row, trial in zip(losses, trials, strict=True):
            if _diverged(trial):
                row[:] = np.inf
            for epoch, value in trial.values.items():
                row[epoch - 1] = history.loss(value)
        seconds = np.array([_seconds(trial) for trial in trials])
        seconds[np.isnan(seconds)] = np.nanmedian(seconds) if np.isfinite(seconds).any() else 1.0
        space = SearchSpace.parse(history.study["search_space"])
        return cls(name, space, [trial.config for trial in trials], losses, seconds)

    def __len__(self) -> int:
        return len(self.configs)

    @property
    def epochs(self) -> int:
        """Epochs of the longest curve."""
        return int(self.losses.shape[1])

    @property
    def groups(self) -> NDArray[np.int64]:
        """A number for each row; rows of equal configuration share one, as they are trainings of the same thing."""
        keys = [config_key(config) for config in self.configs]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        return np.array([numbers[key] for key in keys], dtype=np.int64)

    def units(self) -> NDArray[np.float64]:
        """The configurations in the unit cube, shape ``(rows, dimensions)``; inactive dimensions are at 0.5."""
        return np.array([self.space.to_unit(config) for config in self.configs])

    def rows(self, which: NDArray[Any]) -> CurveTable:
        """The table of some rows, given by a mask or by their indices."""
        index = np.arange(len(self))[which]
        seconds = None if self.seconds is None else self.seconds[index]
        configs = [self.configs[row] for row in index]
        return replace(self, configs=configs, losses=self.losses[index], seconds=seconds)

    def complete(self) -> CurveTable:
        """The table of the rows that were trained to the last epoch and stayed finite."""
        return self.rows(np.asarray(np.isfinite(self.losses).all(axis=1)))

    def write(self, path: str | Path) -> None:
        """Write a Parquet file, with the search space in its metadata."""
        write_parquet(Path(path), self.space, self.configs, self.losses, self.seconds)


# From a study


def _read_study(folder: StudyFolder) -> CurveTable:
    return CurveTable.of_history(folder.history(), folder.name)


def _diverged(trial: Trial) -> bool:
    return trial.failure is not None and trial.failure[0] == "nan"


def _seconds(trial: Trial) -> float:
    """Mean seconds of a trial's epochs, as long as it had the workers that it started with.

    They are measured by its worker, or else between its reports.
    """
    grown = next((stay.epoch for stay in trial.stays if stay.workers != trial.stays[0].workers), trial.epoch)
    started = [metrics for epoch, metrics in trial.metrics.items() if epoch <= grown]
    measured = [metrics["seconds"] for metrics in started if "seconds" in metrics]
    times = [time for epoch, time in trial.times.items() if epoch <= grown]
    between = [after - before for before, after in pairwise(times)]
    known = measured or between
    return float(np.mean(known)) if known else math.nan
