"""Optuna's samplers (tree of Parzen estimators, Gaussian process) as searchers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raise_hpo.history import Config, History, Trial
from raise_hpo.search.base import Searcher
from raise_hpo.space import SearchSpace

Verdict = tuple[str, Sequence[float] | None, dict[int, float]]
"""Optuna's state of a trial, its losses, and its losses in the primary objective at each epoch."""


class OptunaSearcher(Searcher):
    """Asks an Optuna sampler that was given the study's history as Optuna trials.

    Study and sampler are made anew for each suggestion, seeded from (study seed, trial number), so that nothing needs
    saving. How a trial is told: finished with its value; stopped, paused or failed of its own configuration as pruned,
    with its values so far (a failed one has none, which the sampler counts as worst; no value is made up); running ones
    as running. Trials outside the search space (the default configuration may be) are not told.
    """

    def sampler(self, seed: int, objectives: int = 1) -> Any:
        """The Optuna sampler for one suggestion."""
        raise NotImplementedError

    def suggest(self, trial: int, history: History) -> Config | None:
        """The sampler's proposal; conditions are resolved branch by branch, forbidden combinations asked anew."""
        import optuna

        sampler = self.sampler(int(self.rng(trial).integers(2**31)), len(history.objectives))
        study = optuna.create_study(directions=["minimize"] * len(history.objectives), sampler=sampler)
        distributions = self.space.to_optuna()
        verdict = self._verdict if len(history.objectives) == 1 else self._several(history)
        study.add_trials(
            [
                _frozen(*verdict(record, history), *self._params(record, distributions))
                for record in history.trials
                if self.space.contains(record.config)
            ]
        )
        return self.allowed(trial, lambda: self._ask(study, distributions))

    def _ask(self, study: Any, distributions: dict[str, Any]) -> Config:
        """Sample dimension by dimension, parents before the dimensions whose condition they decide."""
        asked = study.ask()
        values: Config = {}
        for name in self.space.dimensions:
            if self.space.is_active(name, values):
                values[name] = asked._suggest(name, distributions[name])
        return self.space.from_optuna_values(values)

    def _params(self, record: Trial, distributions: dict[str, Any]) -> tuple[Config, dict[str, Any]]:
        params = self.space.to_optuna_values(record.config)
        return params, {name: distributions[name] for name in params}

    def _several(self, history: History) -> Callable[[Trial, History], Verdict]:
        """With several objectives, the verdicts: how losses rank at the furthest epoch that enough trials have reached.

        Optuna cannot order pruned trials with several objectives. So those that have not got there count as pruned
        without a value, which is worst, and values of different epochs are never compared. Ranks have the fronts of the
        losses, and give each objective the same weight whatever its unit and spread.
        """
        reached = sorted((trial.epoch for trial in history.trials if trial.state != "failed"), reverse=True)
        level = reached[min(len(self.space), len(reached) - 1)] if reached else 0
        there = [trial for trial in history.trials if level in trial.values and trial.state != "failed"]
        ranks = _ranks([history.losses(trial, level) for trial in there])
        known = {trial.number: rank for trial, rank in zip(there, ranks, strict=True)}

        def verdict(record: Trial, history: History) -> Verdict:
            if record.number in known:
                return "COMPLETE", known[record.number], {}
            return ("RUNNING" if record.state in ("running", "waiting") else "PRUNED"), None, {}

        return verdict

    def _verdict(self, record: Trial, history: History) -> Verdict:
        """Optuna's state of a trial, its values in the objectives, and its intermediate values."""
        values = {epoch: history.loss(value) for epoch, value in record.values.items()}
        if record.state == "finished" and record.value is not None:
            return "COMPLETE", (history.loss(record.value),), values
        if record.state in ("stopped", "paused"):
            return "PRUNED", None, values
        if record.state == "failed":
            return "PRUNED", None, {}
        return "RUNNING", None, values


class TPESearcher(OptunaSearcher):
    """Tree-structured Parzen estimators (Bergstra et al., NeurIPS 2011; Optuna's multivariate, grouped form).

    Robust with conditions, categories and many trials at once; the choice when little is known about the problem.
    With several objectives (Ozaki et al., GECCO 2020) the few trials of a front are too few for a joint model, so
    dimensions are modelled one by one.

    Args:
        space: The search space.
        seed: The study's seed.
        startup_trials: Random configurations before the model begins.
        multivariate: Model dimensions jointly; not with several objectives.
        group: With conditions, model each branch's dimensions jointly.
        constant_liar: Keep away from configurations that are running.
    """

    name = "tpe"

    def __init__(
        self, space: SearchSpace, seed: int, startup_trials: int = 10, multivariate: bool = True, group: bool = True,
        constant_liar: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(space, seed)
        self._options: dict[str, Any] = {
            "n_startup_trials": startup_trials, "multivariate": multivariate, "group": group and multivariate,
            "constant_liar": constant_liar,
        }  # fmt: skip

    def sampler(self, seed: int, objectives: int = 1) -> Any:
        """Optuna's TPESampler."""
        import optuna

        _quiet(optuna)
        alone = {"multivariate": False, "group": False} if objectives > 1 else {}
        return optuna.samplers.TPESampler(seed=seed, **{**self._options, **alone})


class GPSearcher(OptunaSearcher):
    """Bayesian optimization with a Gaussian process and expected improvement (Optuna's GPSampler).

    Frugal with trials in a few continuous dimensions; slower a suggestion than `tpe`. The process needs a value for
    each trial, so stopped and paused ones count with their last value, which for a falling loss is a cautious one.

    Args:
        space: The search space.
        seed: The study's seed.
        startup_trials: Random configurations before the model begins.
        deterministic: Whether the objective has no noise.
    """

    name = "gp"

    def __init__(self, space: SearchSpace, seed: int, startup_trials: int = 10, deterministic: bool = False) -> None:
        super().__init__(space, seed)
        self._options: dict[str, Any] = {"n_startup_trials": startup_trials, "deterministic_objective": deterministic}

    def sampler(self, seed: int, objectives: int = 1) -> Any:
        """Optuna's GPSampler."""
        import optuna

        _quiet(optuna)
        return optuna.samplers.GPSampler(seed=seed, **self._options)

    def _verdict(self, record: Trial, history: History) -> Verdict:
        if record.state in ("stopped", "paused") and record.value is not None:
            return "COMPLETE", (history.loss(record.value),), {}
        return super()._verdict(record, history)


def _ranks(losses: Sequence[tuple[float, ...]]) -> list[list[float]]:
    from scipy.stats import rankdata

    return (rankdata(losses, axis=0) / len(losses)).tolist() if losses else []


def _frozen(
    state: str, losses: Sequence[float] | None, values: dict[int, float], params: Config, distributions: dict[str, Any]
) -> Any:
    import optuna

    return optuna.trial.create_trial(
        state=optuna.trial.TrialState[state],
        values=losses,
        params=params,
        distributions=distributions,
        intermediate_values={epoch: float(np.float64(each)) for epoch, each in values.items()},
    )


def _quiet(optuna: Any) -> None:
    """Optuna's notes about experimental options say nothing to a physicist who tunes a network."""
    import warnings

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
