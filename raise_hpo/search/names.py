"""The names of the searchers, kept apart so that reading a study file imports none of them."""

WITH_SEVERAL_OBJECTIVES = ("random", "grid", "sobol", "tpe", "gp")
"""Those that a study with several objectives can use."""

REPEAT = "repeat"
"""What suggests given configurations again and again: for ``raise-hpo repeat``, not for a search."""

SEARCHERS = ("random", "grid", "sobol", "tpe", "gp", "curve", "cmaes", "hyperopt", "bohb", "evolution", "rl")
