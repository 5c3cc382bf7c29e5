"""The names of the searchers, kept apart so that reading a study file imports none of them."""

SEARCHERS = ("random", "grid", "sobol", "tpe", "gp", "curve", "cmaes")
