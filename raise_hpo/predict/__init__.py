"""Predictors: what a trial will reach, guessed from its first epochs."""
