"""The names of the stoppers, kept apart so that reading a study file imports none of them."""

WITH_SEVERAL_OBJECTIVES = ("none",)
"""Those that a study with several objectives can use."""

STOPPERS = ("none",)
