"""Other packages as contestants, one file each; a package is imported only when it races.

Each is told the same search space, in its own real, whole and categorical hyperparameters, logarithmic where the space
is, the same last epoch, a first rung at one epoch and a reduction factor of 3. All else is the package's default.
"""
