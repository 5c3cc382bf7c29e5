"""The options of each stopper."""

from raise_hpo.study.settings import Settings

STOPPER_OPTIONS: dict[str, type[Settings]] = {}
