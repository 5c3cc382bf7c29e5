"""The names of the schedulers, kept apart so that reading a study file imports none of them."""

WITH_SEVERAL_OBJECTIVES = ("none", "asha")
"""Those that a study with several objectives can use."""

SCHEDULERS = ("none", "asha", "curve", "hyperband", "pbt", "pb2")
