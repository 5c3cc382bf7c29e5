"""Ray Train's `TorchTrainer` as a training needs it: the driver keeps its turns, a private Ray needs no dashboard."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray.exceptions import RayError
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.execution.controller import TrainController

from raise_hpo.journal import Journal
from raise_hpo.study.settings import Resources
from raise_hpo.train.order import TrainingOrder
from raise_hpo.train.worker import train
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.group import failure_of_worker

_TURN_SECONDS = 0.2
_UNUSED = (DatasetsCallback, PlacementGroupCleanerCallback)
# Ray's type hints are those of the older Train; what runs is Train V2.
_ray: Any = ray
_V1: Any = TorchTrainer

# Relative paths mean the driver's folder on every worker; what Ray Train would export or watch besides is never read.
TRAIN_SETTINGS = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "5",
}


def run_trainer(
    order: TrainingOrder, workers: int, resources: Resources, storage: Path, each_turn: Callable[[], None]
) -> None:
    """Train on the Ray that is connected, until the workers return; what they did is in the training's folder.

    When a worker dies, all are started again, from the newest checkpoint; how often, the workers decide by how far
    they came. Checkpoints are the workers' own, as in a trial: Ray Train would note one only some time after it is
    written, and a worker's death in between would cost an epoch more.

    Args:
        order: What to train.
        workers: Number of workers.
        resources: CPUs and GPUs of each worker.
        storage: A folder on this node for what Ray Train writes.
        each_turn: Called a few times a second.

    Raises:
        ray.train.TrainingFailedError: Ray Train could not run the workers.
    """
    os.environ.update(TRAIN_SETTINGS)
    each = {"CPU": resources.cpus, **({"GPU": resources.gpus} if resources.gpus else {})}
    trainer = _Trainer(
        train,
        train_loop_config={"order": order},
        scaling_config=_ray.train.ScalingConfig(
            num_workers=workers, use_gpu=resources.gpus > 0, resources_per_worker=each, placement_strategy="PACK"
        ),
        run_config=_ray.train.RunConfig(
            name=f"session-{order.session}",
            storage_path=str(storage),
            failure_config=_ray.train.FailureConfig(max_failures=-1),
            callbacks=[NotesFailures(order)],
            logging_config=_ray.train.LoggingConfig(log_level="ERROR"),
        ),
    )
    trainer.each_turn = each_turn
    trainer.fit()


class _Trainer(_V1):  # type: ignore[misc]
    """Waits for its controller in short turns of the driver's own, which Ctrl-C can interrupt at any time.

    Overrides two private methods of Ray 2.60's trainer: its `fit` would block, and answer Ctrl-C by a handler of its
    own; its placement-group cleaner asks the dashboard's API, which a private Ray has not, and is of no use here,
    since a placement group goes with the driver's job. For data of Ray Data, which are not used here either, it would
    start one more process with each start of the workers.
    """

    each_turn: Callable[[], None]

    def _create_default_callbacks(self) -> list[Any]:
        made = super()._create_default_callbacks()
        return [callback for callback in made if not isinstance(callback, _UNUSED)]

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        environment = {**get_env_vars_to_propagate(), **TRAIN_SETTINGS}
        here = {_ray._raylet.RAY_NODE_ID_KEY: ray.get_runtime_context().get_node_id()}
        kind = _ray.remote(num_cpus=0, label_selector=here, runtime_env={"env_vars": environment})(TrainController)
        controller = kind.remote(**arguments)
        run = controller.run.remote()
        while not ray.wait([run], timeout=_TURN_SECONDS)[0]:
            self.each_turn()
        ray.get(run)
        return ray.get(controller.get_result.remote())


class NotesFailures(ray.train.UserCallback):
    """Writes what befell workers into the training's folder; runs in Ray Train's controller, beside the driver."""

    def __init__(self, order: TrainingOrder) -> None:
        self.order = order

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Note the failure that tells most: a lost process before an exception, which may only follow from it."""
        found = {rank: _failure(error) for rank, error in worker_exceptions.items()}
        ranks = sorted(found, key=lambda rank: (found[rank].kind not in ("oom", "lost", "killed"), rank))
        told = found[ranks[0]]
        with Journal(self.order.folder.failures) as journal:
            journal.append(
                [
                    {
                        "event": "failed",
                        "session": self.order.session,
                        "rank": ranks[0],
                        "kind": told.kind,
                        "cause": told.cause,
                    }
                ]
            )


def _failure(error: Exception) -> TrialFailure:
    """A worker's failure; Ray Train hands on what was raised inside as the text of its traceback."""
    if isinstance(error, RayError):
        return failure_of_worker(error)
    health = getattr(error, "health_check_failure", None)
    if isinstance(health, RayError):
        return failure_of_worker(health)
    last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    raised, _, words = last.partition(": ")
    if raised.endswith(TrialFailure.__name__):
        kind, _, cause = words.partition(": ")
        return TrialFailure(kind, cause)
    return TrialFailure("error", last)
