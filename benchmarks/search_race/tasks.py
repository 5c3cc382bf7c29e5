"""The tasks of the race: tables of learning curves, each as a surrogate that answers for any configuration."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raise_hpo.curves import CurveTable
from raise_hpo.drive.surrogate import Surrogate
from raise_hpo.errors import UserError, nearest
from raise_hpo.history import Config

ROOT = Path(__file__).resolve().parents[2]
MLPF = Path("mlpf-curves", "delphes_trainings_processed.csv")

TRAININGS = {4: 6.0, 16: 2.5, 96: 1.25}
"""The budget of a slot, in full trainings of mean duration, by the number of slots; between them by interpolation."""


@dataclass(frozen=True)
class Task:
    """A table of learning curves and the kind of surrogate that is made of it."""

    name: str
    path: Path
    kind: str

    @property
    def label(self) -> str:
        """The name in tables: ``mlpf/gp``."""
        return f"{self.name}/{self.kind}"

    @cached_property
    def table(self) -> CurveTable:
        return CurveTable.read(self.path)

    @cached_property
    def surrogate(self) -> Surrogate:
        return Surrogate(self.table, self.kind)

    @cached_property
    def digest(self) -> str:
        """A short name of the table's content, so that results of another table of that name are not taken for it."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:12]

    @property
    def epochs(self) -> int:
        """The last epoch."""
        return int(self.table.losses.shape[1])

    def horizon(self, slots: int) -> float:
        """The race's length in simulated seconds; an epoch is one second where the table has no times."""
        seconds = 1.0 if self.table.seconds is None else float(np.mean(self.table.seconds))
        return trainings(slots) * self.epochs * seconds

    def curve(self, config: Config) -> NDArray[np.float64]:
        """The loss after each epoch; not kept, as thousands of races ask."""
        return self.surrogate.curves([config])[0]

    def seconds(self, config: Config) -> float:
        """Seconds per epoch."""
        return self.surrogate.seconds(config)

    def regret(self, loss: float) -> float:
        """The loss on a scale where 0 is the best known and 1 the median random configuration's best."""
        return (loss - self.surrogate.best) / (self.surrogate.median - self.surrogate.best)


def trainings(slots: int) -> float:
    """Full trainings of mean duration that each slot has time for."""
    known = np.log(list(TRAININGS)), np.log(list(TRAININGS.values()))
    return float(np.exp(np.interp(np.log(slots), *known)))


def built_in() -> dict[str, Path]:
    """The tables that are found: those beside this file by name, and MLPF's where the test data are."""
    tables = {path.stem: path for path in sorted((ROOT / "benchmarks" / "curves").glob("*.parquet"))}
    data = Path(os.environ.get("RAISE_HPO_TEST_DATA", ROOT.parent / "shared" / "data"))
    if (data / MLPF).is_file():
        return {"mlpf": data / MLPF, **tables}
    print(f"task mlpf is left out: there is no {data / MLPF}; set RAISE_HPO_TEST_DATA to the folder of mlpf-curves")
    return tables


def tasks(names: list[str] | None, files: list[Path], kinds: list[str]) -> list[Task]:
    """The tasks by their names, all built-in ones if neither names nor files are given, and the files' own.

    Raises:
        UserError: an unknown name, or a file that is not there.
    """
    tables = {} if files and names is None else built_in()
    for name in names or []:
        if name not in tables:
            raise UserError(f"--tasks has {name!r}, {nearest(name, tables)}")
    chosen = {name: tables[name] for name in names or tables}
    for path in files:
        if not path.is_file():
            raise UserError(f"--curves has '{path}', which is not a file")
        chosen[path.stem] = path.resolve()
    if not chosen:
        raise UserError("there are no tasks: give a table of learning curves with --curves FILE.csv")
    return [Task(name, path, kind) for name, path in chosen.items() for kind in kinds]
