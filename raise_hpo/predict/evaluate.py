"""How well predictors guess final losses, over many random splits of a table of learning curves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from raise_hpo.curves import CurveTable
from raise_hpo.errors import UserError
from raise_hpo.predict import make_predictor
from raise_hpo.predict.base import Floats
from raise_hpo.predict.features import known_epochs
from raise_hpo.predict.scale import quantile_scale

Protocol = Literal["honest", "talk"]
Rows = NDArray[np.int64]

_CHUNK = 10


@dataclass(frozen=True)
class Task:
    """What is predicted from what, one row a training.

    Attributes:
        units: Configurations in the unit cube, shape ``(rows, dimensions)``.
        curves: The known losses, shape ``(rows, known epochs)``.
        finals: The losses after the last epoch, shape ``(rows,)``.
        groups: Rows of equal configuration share a number.
        left_out: Rows of the table that did not reach the last epoch or diverged.
    """

    units: Floats
    curves: Floats
    finals: Floats
    groups: NDArray[np.int64]
    left_out: int

    @classmethod
    def of(cls, table: CurveTable, known: float, protocol: Protocol = "honest") -> Task:
        """The task of a table, with this share of each curve known.

        The talk's protocol scales curves and final losses to their quantiles over all rows, those of the test included.

        Raises:
            UserError: There are less than ten complete rows.
        """
        complete = table.complete()
        rows = complete.rows(~diverged(complete.losses[:, -1])) if len(complete) else complete
        if len(rows) < 10:
            raise UserError(f"{table.name}: {len(rows)} rows were trained to the last epoch; at least 10 are needed")
        curves, finals = rows.losses[:, : known_epochs(known, rows.epochs)], rows.losses[:, -1]
        if protocol == "talk":
            curves = quantile_scale(curves).transform(curves)
            finals = quantile_scale(finals[:, None]).transform(finals[:, None])[:, 0]
        return cls(rows.units(), curves, finals, rows.groups, len(table) - len(rows))

    def split(self, seed: int, number: int, train: int, grouped: bool) -> tuple[Rows, Rows]:
        """Training and test rows of a split: half of the rows are for the test, or a fifth where training needs more.

        Args:
            seed: Seed of all splits.
            number: The split's number.
            train: Training rows.
            grouped: Whether all rows of a configuration are on one side.

        Raises:
            UserError: There are too few rows.
        """
        count = len(self.finals)
        test = count // 2 if train <= (count - count // 2) * 0.9 else count // 5
        rng = np.random.default_rng([seed, number])
        if not grouped:
            order = rng.permutation(count)
            return self._first(order[test:], train), order[:test]
        place = rng.permutation(self.groups.max() + 1)[self.groups]
        order = np.argsort(place, kind="stable")
        rest = order[test:]
        return self._first(rest[place[rest] != place[order[test - 1]]], train), order[:test]

    def _first(self, rows: Rows, train: int) -> Rows:
        if len(rows) < train:
            raise UserError(
                f"{train} training curves are too many: {len(self.finals)} curves are there, tests included"
            )
        return rows[:train]


def diverged(finals: Floats) -> NDArray[np.bool_]:
    """Final losses far worse than even the bad ones: above the ninth decile by half the deciles' whole distance."""
    low, high = np.quantile(finals, [0.1, 0.9])
    bad: NDArray[np.bool_] = finals > high + (high - low) / 2
    # Of many trials that end there none has diverged: this is where trials end.
    return bad if bad.sum() <= max(1, 0.02 * len(finals)) else np.zeros(len(finals), dtype=bool)


@dataclass
class Score:
    """One predictor's results with one number of training curves, an entry a split.

    Attributes:
        r2: Coefficient of determination of the test rows' final losses.
        rank: Spearman's rank correlation with them.
        hit: Share of the test rows' best quarter that is in the predicted one.
        milliseconds: Time to fit; the summary has the median, as the first fit pays for imports.
    """

    predictor: str
    train: int
    r2: list[float] = field(default_factory=list)
    rank: list[float] = field(default_factory=list)
    hit: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The figures of the talk's table, and the others' means."""
        return {
            "predictor": self.predictor, "train": self.train, "splits": len(self.r2), "best": max(self.r2),
            "worst": min(self.r2), "mean": float(np.mean(self.r2)), "std": float(np.std(self.r2)),
            "rank": float(np.mean(self.rank)), "hit": float(np.mean(self.hit)),
            "fit_ms": float(np.median(self.milliseconds)),
        }  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated, the same splits for all predictors.

    Attributes:
        predictors: Their names, with their options.
        train: Numbers of training curves.
        splits: Random splits for each.
        grouped: Whether the re-trainings of a configuration stay together.
        seed: Seed of the splits.
    """

    task: Task
    predictors: dict[str, dict[str, Any]]
    train: tuple[int, ...]
    splits: int
    grouped: bool = False
    seed: int = 1

    def run(self, processes: int = 1) -> Iterator[Score]:
        """The scores, predictor by predictor within each number of training curves.

        Raises:
            UserError: There are too few rows, or a predictor needs an extra that is not installed.
        """
        for train in self.train:
            self.task.split(self.seed, 0, train, self.grouped)
        for name, options in self.predictors.items():
            make_predictor(name, **options)
        pairs = [(train, name) for train in self.train for name in self.predictors]
        if processes == 1:
            yield from (_scored(*pair, map(partial(self._one, *pair), range(self.splits))) for pair in pairs)
            return
        with ProcessPoolExecutor(processes, mp_context=get_context("forkserver")) as pool:
            for pair in pairs:
                yield _scored(*pair, pool.map(partial(self._one, *pair), range(self.splits), chunksize=_CHUNK))

    def _one(self, train: int, name: str, number: int) -> tuple[float, float, float, float]:
        learn, test = self.task.split(self.seed, number, train, self.grouped)
        task = self.task
        began = time.perf_counter()
        model = make_predictor(name, number, **self.predictors[name])
        model.fit(task.units[learn], task.curves[learn], task.finals[learn])
        milliseconds = 1e3 * (time.perf_counter() - began)
        return *marks(task.finals[test], model.expect(task.units[test], task.curves[test])), milliseconds


def _scored(train: int, name: str, results: Any) -> Score:
    return Score(name, train, *(list(column) for column in zip(*results, strict=True)))


def marks(truth: Floats, predicted: Floats) -> tuple[float, float, float]:
    """R², rank correlation (0 where all predictions are equal), and hit rate of the best quarter."""
    from scipy.stats import spearmanr
    from sklearn.metrics import r2_score

    rank = float(spearmanr(predicted, truth)[0]) if np.ptp(predicted) > 0 and np.ptp(truth) > 0 else 0.0
    quarter = max(1, len(truth) // 4)
    best, chosen = (set(np.argsort(values, kind="stable")[:quarter].tolist()) for values in (truth, predicted))
    return float(r2_score(truth, predicted)), rank, len(best & chosen) / quarter
