"""The names of predictors and stoppers, kept apart so that reading a study file imports none of them."""

PREDICTORS = ("svr", "qsvr", "svr-committee", "talk-svr", "last")

STOPPERS = ("none", "svr", "qsvr", "last")
