from collections.abc import Mapping
from typing import Any

import pytest

from raise_hpo.names import resolve_trainable, trainable_names
from raise_hpo.testing import TrainableContract
from raise_hpo.trial.trainable import Trainable

# A few events of the packaged samples are enough for promises that hold at any size.
FEW: Mapping[str, Any] = {"max_events": 8}
METRICS = {"ucluster": "val_accuracy", "calogan": "val_physics"}


@pytest.mark.parametrize("name", trainable_names())
class TestTrainables(TrainableContract):
    @pytest.fixture(autouse=True)
    def _of_name(self, name: str) -> None:
        self.name = name
        self.data = FEW
        self.metric = METRICS.get(name, "val_loss")

    def trainable(self) -> type[Trainable]:
        return resolve_trainable(self.name)
