"""The names of the schedulers, kept apart so that reading a study file imports none of them."""

SCHEDULERS = ("none", "asha", "curve")
