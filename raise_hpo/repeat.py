"""Learning variability: a study's best configurations, trained again from several seeds, and what that tells of them.

After E. Wulff et al., "Distributed Hyperparameter Optimization using HPC systems": a single training may be a lucky
one, so that tuned configurations are compared by the mean and the spread of several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

import numpy as np

from raise_hpo.errors import UserError
from raise_hpo.history import Config, History, Trial
from raise_hpo.report.facts import ranking
from raise_hpo.space import config_key
from raise_hpo.study import StudySpec

_DRAWS = 10_000
_LEVEL = 0.05


def repeat_study(
    history: History, default: Config | None, top: int, seeds: int, epochs: int | None = None
) -> StudySpec:
    """The study that repeats another one's best configurations and its default one, all to the end.

    Args:
        history: The study whose configurations are repeated.
        default: The default configuration; None if there is none.
        top: How many of the best.
        seeds: Trainings of each.
        epochs: Epochs of a training; as many as in the study if None.

    Raises:
        UserError: No trial of the study has a value.
    """
    chosen = _chosen(history, default, top)
    study = StudySpec.model_validate(history.study)
    return StudySpec.model_validate(
        study.model_dump(mode="json")
        | {
            "name": f"{study.name}-repeat",
            "searcher": {"repeat": {"configurations": chosen, "seeds": seeds}},
            "scheduler": "none",
            "stopper": "none",
            "default": False,
            "warm_start": [],
            "max_epochs": epochs or study.max_epochs,
            "budget": {"trials": seeds * len(chosen)},
        }
    )


def _chosen(history: History, default: Config | None, top: int) -> list[dict[str, Any]]:
    """The best configurations, each once, and the default one."""
    found: dict[Any, dict[str, Any]] = {}
    for trial in ranking(history):
        if not trial.is_default and len(found) < top:
            found.setdefault(config_key(trial.config), {"label": f"trial {trial.number}", "config": trial.config})
    if not found:
        raise UserError(f"study {history.name} has no trial with a value whose configuration could be repeated")
    if default is not None:
        found.setdefault(config_key(default), {"label": "default", "config": default})
    return list(found.values())


def repeats(history: History) -> bool:
    """Whether a study repeats the configurations of another one."""
    searcher = history.study.get("searcher")
    return isinstance(searcher, Mapping) and "repeat" in searcher


@dataclass(frozen=True)
class Repeated:
    """One configuration's trainings.

    Attributes:
        label: ``trial 7``, after the trial that it was found in, or ``default``.
        config: The configuration.
        values: The objective after the last epoch of each training that came so far.
        curves: The objective by epoch, of the same trainings.
        failed: Trainings that did not come so far.
        best: The probability that its mean is the best one of all, by resampling the trainings (bootstrap).
        distance: How much worse its mean is than the winner's, with its 95 % interval (Welch); None for the winner, or
            where there are fewer than two trainings.
        behind: Whether it is behind the winner beyond doubt: by Welch's t-test at 5 %, all comparisons with the winner
            considered (Holm).
    """

    label: str
    config: Config
    values: tuple[float, ...]
    curves: tuple[Mapping[int, float], ...]
    failed: int
    best: float = 0.0
    distance: tuple[float, float, float] | None = None
    behind: bool = False

    @property
    def mean(self) -> float:
        """The mean value."""
        return fmean(self.values)

    @property
    def spread(self) -> float:
        """The standard deviation of the values; 0 of a single one."""
        return stdev(self.values) if len(self.values) > 1 else 0.0


def repetitions(history: History) -> list[Repeated]:
    """What the trainings of a repeating study tell, the best mean first; those without a value are left out.

    Raises:
        UserError: The study repeats nothing, or no training of it came to its end.
    """
    if not repeats(history):
        raise UserError(
            f"study {history.name} repeats nothing; make one that does by 'raise-hpo repeat {history.name}'"
        )
    groups = [_group(history, each) for each in history.study["searcher"]["repeat"]["configurations"]]
    found = sorted((group for group in groups if group.values), key=lambda group: history.loss(group.mean))
    if not found:
        raise UserError(f"no training of study {history.name} has come to its end yet")
    return _judged(found, history)


def _group(history: History, configuration: Mapping[str, Any]) -> Repeated:
    key = config_key(configuration["config"])
    own = [trial for trial in history.trials if config_key(trial.config) == key]
    done = [trial for trial in own if history.max_epochs in trial.values]
    failed = sum(trial.state == "failed" for trial in own)
    return Repeated(
        configuration["label"], configuration["config"], tuple(trial.values[history.max_epochs] for trial in done),
        tuple(_curve(trial) for trial in done), failed,
    )  # fmt: skip


def _curve(trial: Trial) -> Mapping[int, float]:
    return dict(trial.values)


def _judged(groups: Sequence[Repeated], history: History) -> list[Repeated]:
    """Fill in the chances of being best and the distances from the winner, the first one."""
    losses = [np.array([history.loss(value) for value in group.values]) for group in groups]
    rng = np.random.default_rng(0)
    means = np.stack([rng.choice(each, (_DRAWS, len(each))).mean(axis=1) for each in losses])
    chances = np.bincount(means.argmin(axis=0), minlength=len(groups)) / _DRAWS
    tests = [_welch(losses[0], other) for other in losses[1:]]
    behind = _holm([p for p, _ in tests])
    judged = [replace(groups[0], best=float(chances[0]))]
    for group, chance, (_, distance), is_behind in zip(groups[1:], chances[1:], tests, behind, strict=True):
        judged.append(replace(group, best=float(chance), distance=distance, behind=is_behind))
    return judged


def _welch(winner: Any, other: Any) -> tuple[float, tuple[float, float, float] | None]:
    """The p-value and the difference of the means with its 95 % interval; 1 and None where there is too little."""
    from scipy.stats import ttest_ind

    difference = float(other.mean() - winner.mean())
    if min(len(winner), len(other)) < 2:
        return 1.0, None
    if winner.std() == 0 == other.std():
        return (0.0 if difference else 1.0), (difference, difference, difference)
    test = ttest_ind(other, winner, equal_var=False)
    interval = test.confidence_interval(1 - _LEVEL)
    return float(test.pvalue), (difference, float(interval.low), float(interval.high))


def _holm(pvalues: Sequence[float]) -> list[bool]:
    """Which hypotheses are rejected at 5 % by Holm's procedure."""
    rejected = [False] * len(pvalues)
    for done, index in enumerate(np.argsort(pvalues)):
        if pvalues[index] > _LEVEL / (len(pvalues) - done):
            break
        rejected[index] = True
    return rejected


def verdict(found: Sequence[Repeated]) -> str:
    """What may be said of the winner, in a sentence or two."""
    winner, others = found[0], found[1:]
    if not others:
        return f"{winner.label} was the only one to repeat"
    if min(len(group.values) for group in found) < 2:
        return f"{winner.label} has the best mean, but of single trainings: train each at least twice (--seeds)"
    close = [group.label for group in others if not group.behind]
    if not close:
        return f"{winner.label} is the best, beyond the spread of {len(winner.values)} trainings"
    words = f"{winner.label} has the best mean, but cannot be told from {_listed(close)} by so few trainings"
    return f"{words}; more seeds, or a cheaper one of them, may be the better choice"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
