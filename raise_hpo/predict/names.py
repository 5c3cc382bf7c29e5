"""The names of the stoppers, kept apart so that reading a study file imports none of them."""

STOPPERS = ("none",)
