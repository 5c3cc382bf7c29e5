"""Which hyperparameters mattered."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from raise_hpo.history import History, Trial
from raise_hpo.report.facts import ranking
from raise_hpo.report.figures import Figure, axis, colour, figure
from raise_hpo.space import SearchSpace
from raise_hpo.study import StudySpec

FEWEST = 10
_TOP = 5
_SMALLEST_SHARE = 0.1


@dataclass(frozen=True)
class Importance:
    """Shares of the hyperparameters (their sum is 1), largest first, and what they rest on.

    Attributes:
        shares: Share by name; empty if there is nothing to say.
        trials: How many trials were used.
        top: How many of them count as the best.
        why_not: Why there are no shares.
    """

    shares: dict[str, float]
    trials: int
    top: int
    why_not: str = ""


def importance(history: History) -> Importance:
    """PED-ANOVA (Watanabe et al., IJCAI 2023): how much the best trials' values differ from those of all trials.

    Trials are ordered as `ranking` orders them, by how far they went and then by their value, so that early-stopped
    ones count without comparing values of different epochs. Running, waiting and failed trials are left out, and so
    are those outside of the search space.
    """
    space = StudySpec.model_validate(history.study).space
    ranked = [trial for trial in ranking(history) if trial.state not in ("running", "waiting")]
    used = [trial for trial in ranked if space.contains(trial.config)]
    if len(used) < FEWEST:
        return Importance({}, len(used), 0, f"needs at least {FEWEST} trials that have reported; there are {len(used)}")
    top = max(_TOP, round(_SMALLEST_SHARE * len(used)))
    shares = _shares(used, space, top)
    if not shares:
        return Importance({}, len(used), top, "finds no hyperparameter that tells the best trials from the others")
    return Importance(dict(sorted(shares.items(), key=lambda item: -item[1])), len(used), top)


def _shares(used: list[Trial], space: SearchSpace, top: int) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = space.to_optuna()
    study = optuna.create_study(direction="minimize")
    for place, trial in enumerate(used):
        params = space.to_optuna_values(trial.config)
        chosen = {name: distributions[name] for name in params}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=chosen, value=float(place)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=top / len(used))
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    # Optuna makes equal shares of nothing; we say that there is nothing.
    total = sum(found.values())
    return {name: float(share / total) for name, share in found.items()} if total > 0 else {}


def importance_chart(found: Importance) -> Figure | None:
    """Bars of the shares in per cent, the largest on top; None if there are none."""
    if not found.shares:
        return None
    names = list(reversed(found.shares))
    bars = {
        "type": "bar", "orientation": "h", "x": [100 * found.shares[name] for name in names], "y": names,
        "texttemplate": "%{x:.0f} %", "textposition": "outside", "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>", "marker": {"color": colour("finished")},
    }  # fmt: skip
    return figure(
        [bars],
        height=110 + 30 * len(names),
        xaxis=axis("share of the importance (%)", rangemode="tozero"),
        yaxis={"automargin": True, "type": "category"},
        showlegend=False,
        bargap=0.35,
    )
