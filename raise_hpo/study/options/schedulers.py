"""The options of each scheduler."""

from typing import Literal

from pydantic import Field

from raise_hpo.study.settings import Settings


class AshaOptions(Settings):
    """Asynchronous successive halving (Li et al. 2020): rungs at ``min_epochs * reduction_factor**k`` epochs."""

    min_epochs: int = Field(default=1, ge=1)
    reduction_factor: float = Field(default=3, ge=2)
    mode: Literal["stopping", "promotion"] = "stopping"


SCHEDULER_OPTIONS: dict[str, type[Settings]] = {"asha": AshaOptions}
