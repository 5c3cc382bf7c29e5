"""The names of the schedulers, kept apart so that reading a study file imports none of them."""

WITH_SEVERAL_OBJECTIVES = ("none", "asha")
"""Those that a study with several objectives can use."""

OF_POPULATIONS = ("pbt", "pb2", "genetic")
"""Those that replace trials by heirs of others."""

KNOWING_WHAT_FITS = ("hyperband", "bohb", "swift_hyperband", "median", *OF_POPULATIONS)
"""Those whose constructor tells by an `OptionError` which option does not fit the study."""

SCHEDULERS = ("none", "asha", "curve", "hyperband", "bohb", "swift_hyperband", "median", "pbt", "pb2", "genetic")
