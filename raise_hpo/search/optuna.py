"""Optuna's samplers (tree of Parzen estimators, Gaussian process) as searchers."""

from __future__ import annotations

from typing import Any

import numpy as np

from raise_hpo.history import Config, History, Trial
from raise_hpo.search.base import Searcher
from raise_hpo.space import SearchSpace

_FORBIDDEN_TRIES = 100


class OptunaSearcher(Searcher):
    """Asks an Optuna sampler that was given the study's history as Optuna trials.

    Study and sampler are made anew for each suggestion, seeded from (study seed, trial number), so that nothing needs
    saving. How a trial is told: finished with its value; stopped, paused or failed of its own configuration as pruned,
    with its values so far (a failed one has none, which the sampler counts as worst; no value is made up); running ones
    as running. Trials outside the search space (the default configuration may be) are not told.
    """

    def sampler(self, seed: int) -> Any:
        """The Optuna sampler for one suggestion."""
        raise NotImplementedError

    def suggest(self, trial: int, history: History) -> Config | None:
        """The sampler's proposal; conditions are resolved branch by branch, forbidden combinations asked anew."""
        import optuna

        seed = int(self.rng(trial).integers(2**31))
        study = optuna.create_study(direction="minimize", sampler=self.sampler(seed))
        distributions = self.space.to_optuna()
        study.add_trials(
            [told for record in history.trials if (told := self._told(record, history, distributions)) is not None]
        )
        for _ in range(_FORBIDDEN_TRIES):
            config = self._ask(study, distributions)
            if self.space.contains(config):
                return config
        return self.space.sample(self.rng(trial))

    def _ask(self, study: Any, distributions: dict[str, Any]) -> Config:
        """Sample dimension by dimension, parents before the dimensions whose condition they decide."""
        asked = study.ask()
        values: Config = {}
        for name in self.space.dimensions:
            if self.space.is_active(name, values):
                values[name] = asked._suggest(name, distributions[name])
        return self.space.from_optuna_values(values)

    def _told(self, record: Trial, history: History, distributions: dict[str, Any]) -> Any:
        if not self.space.contains(record.config):
            return None
        params = self.space.to_optuna_values(record.config)
        state, value, values = self._verdict(record, history)
        return _frozen(state, value, values, params, {name: distributions[name] for name in params})

    def _verdict(self, record: Trial, history: History) -> tuple[str, float | None, dict[int, float]]:
        """Optuna's state of a trial, its value, and its intermediate values."""
        values = {epoch: history.loss(value) for epoch, value in record.values.items()}
        if record.state == "finished" and record.value is not None:
            return "COMPLETE", history.loss(record.value), values
        if record.state in ("stopped", "paused"):
            return "PRUNED", None, values
        if record.state == "failed":
            return "PRUNED", None, {}
        return "RUNNING", None, values


class TPESearcher(OptunaSearcher):
    """Tree-structured Parzen estimators (Bergstra et al., NeurIPS 2011; Optuna's multivariate, grouped form).

    Robust with conditions, categories and many trials at once; the choice when little is known about the problem.

    Args:
        space: The search space.
        seed: The study's seed.
        startup_trials: Random configurations before the model begins.
        multivariate: Model dimensions jointly.
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

    def sampler(self, seed: int) -> Any:
        """Optuna's TPESampler."""
        import optuna

        _quiet(optuna)
        return optuna.samplers.TPESampler(seed=seed, **self._options)


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

    def sampler(self, seed: int) -> Any:
        """Optuna's GPSampler."""
        import optuna

        _quiet(optuna)
        return optuna.samplers.GPSampler(seed=seed, **self._options)

    def _verdict(self, record: Trial, history: History) -> tuple[str, float | None, dict[int, float]]:
        if record.state in ("stopped", "paused") and record.value is not None:
            return "COMPLETE", history.loss(record.value), {}
        return super()._verdict(record, history)


def _frozen(
    state: str, value: float | None, values: dict[int, float], params: Config, distributions: dict[str, Any]
) -> Any:
    import optuna

    return optuna.trial.create_trial(
        state=optuna.trial.TrialState[state],
        value=value,
        params=params,
        distributions=distributions,
        intermediate_values={epoch: float(np.float64(each)) for epoch, each in values.items()},
    )


def _quiet(optuna: Any) -> None:
    """Optuna's notes about experimental options say nothing to a physicist who tunes a network."""
    import warnings

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
