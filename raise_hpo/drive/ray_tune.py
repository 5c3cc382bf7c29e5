"""The Ray Tune driver: Tune runs the trials, the decision core decides, and the journal has it before it happens."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as TuneSearcher

from raise_hpo.checkpoints import drop_replaced, drop_surplus
from raise_hpo.decide import DecisionCore, Done, Run
from raise_hpo.drive.blame import NodeBlame
from raise_hpo.drive.cluster import PENDING_TRIALS, SLOT_RESOURCE, Capacity
from raise_hpo.drive.slot import MESSAGE, RESOURCES, SPEC, Slot
from raise_hpo.folder import StudyFolder
from raise_hpo.history import ENDED, Trial
from raise_hpo.trial.spec import Began, Broke, EpochDone, TrialSpec

_UNNOTICED_SECONDS = 5.0
_LOST = "the slot's process died with its node or was killed"


class RayTuneDriver:
    """Runs a study's trials on the Ray that is connected.

    Args:
        core: The decision core; its log is the study's journal.
        folder: The study's folder, shared by all nodes.
        storage: A folder on this node for what Tune writes.
        slots: Trials at a time, as they start, at first.
        trainable: The trainable, if it is a class that workers cannot import by name.
        stop_requested: Asked after each report; True ends the run there, resumable.
        each_turn: Called on every turn of Tune's loop, about ten times a second.
        exclude: Told of a node that is to be left alone from now on, and why.
        capacity: Asked once a second how many trials can run now and on which nodes; None if that never changes.
    """

    def __init__(
        self, core: DecisionCore, folder: Path, storage: Path, slots: int, trainable: type | None = None,
        stop_requested: Callable[[], bool] = lambda: False, each_turn: Callable[[], None] = lambda: None,
        capacity: Callable[[], Capacity] | None = None,
        exclude: Callable[[str, str], None] = lambda node, why: None,
    ) -> None:  # fmt: skip
        self.core = core
        self.folder = folder
        self.storage = storage
        self.slots = slots
        self.trainable = trainable
        self.stop_requested = stop_requested
        self.each_turn = each_turn
        self.capacity = capacity
        self.exclude = exclude
        self._blame = NodeBlame()
        self.running: dict[str, int] = {}
        self.stopping = False
        self.tune_controller: Any = None
        self._asked_back = False
        self._too_many_since: float | None = None
        self._slot_numbers: dict[str, str] = {}
        self._looked = 0.0
        self._raised: Exception | None = None

    def run(self) -> None:
        """Run until the study is over, or until a stop is requested and the running epochs are done.

        Raises:
            UserError: What the core or the journal raised while Tune was asking it.
        """
        try:
            self._tuner().fit()
        except Exception:
            # Tune hands on a text of what was raised inside it; the exception itself says it better.
            if self._raised is not None:
                raise self._raised from None
            raise

    def _tuner(self) -> tune.Tuner:
        # One pending trial at a time, Tune's default, would start a hundred slots one after another.
        os.environ[PENDING_TRIALS] = str(max(1, self.slots))
        return tune.Tuner(
            tune.with_resources(Slot, _placement),
            tune_config=tune.TuneConfig(
                search_alg=_Orders(self), scheduler=_Reports(self), num_samples=-1, reuse_actors=True
            ),
            run_config=tune.RunConfig(
                name="tune", storage_path=str(self.storage), verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )  # fmt: skip

    def joined(self, tune_controller: Any) -> None:
        """Tune has begun: take part in its turns.

        Given as a callback beforehand, `_Turn` would have Ray import all of MLflow, only to count which of its own
        callbacks are in use.
        """
        if self.tune_controller is None:
            self.tune_controller = tune_controller
            tune_controller._callbacks._callbacks.append(_Turn(self))

    def turn(self) -> None:
        """What is to be done besides orders and reports: look at the cluster, refresh what is shown."""
        self._look()
        self.each_turn()

    def _look(self) -> None:
        """Once a second, see how many slots there are now, and follow."""
        now = time.monotonic()
        if self.capacity is not None and now - self._looked >= 1.0:
            self._looked = now
            with self.noting_what_is_raised():
                found = self.capacity()
                self.slots = found.slots
                self.core.has_capacity(found.slots, found.nodes, found.places)
                self._follow()

    def _follow(self) -> None:
        """Have running trials make checkpoints while there are more of them than slots, and let go of idle slots."""
        request = StudyFolder(self.folder).hand_back
        now = time.monotonic()
        self._too_many_since = (self._too_many_since or now) if self._free() < 0 else None
        # The trials of a lost node run on paper until Tune notices: nobody else is to make room for them.
        to_ask = self._too_many_since is not None and now - self._too_many_since >= _UNNOTICED_SECONDS
        if to_ask and not self._asked_back:
            request.touch()
        elif self._asked_back and not to_ask:
            request.unlink(missing_ok=True)
        self._asked_back = to_ask
        if self.tune_controller is not None:
            self.tune_controller.update_max_pending_trials(max(1, self.slots))
            if self._free() <= 0:
                # Tune keeps one idle slot for the next trial; on a shared cluster it is another study's by now.
                self.tune_controller._cleanup_cached_actors(force_all=True)

    def _free(self) -> int:
        """Slots that no trial runs on, or places where trials have several numbers of workers; below 0 if too few."""
        places = self.core.places
        return places.free() if places.elastic else self.slots - len(self.running)

    # What Tune asks and tells

    @contextmanager
    def noting_what_is_raised(self) -> Iterator[None]:
        """Keep an exception that is about to pass through Tune."""
        try:
            yield
        except Exception as error:
            self._raised = error
            raise

    def order(self, tune_id: str) -> dict[str, Any] | str | None:
        """What a free slot should run: a Tune configuration, None for nothing now, or that the search is over."""
        if not self.running:
            # With nothing to wait for, Tune asks for orders and takes no other turns.
            self._look()
        if self.stopping or self.stop_requested():
            self.stopping = True
            return None if self.running else str(TuneSearcher.FINISHED)
        # Where trials have several numbers of workers the core counts them itself.
        if not self.core.places.elastic and len(self.running) >= self.slots:
            return None
        action = self.core.next()
        if isinstance(action, Run):
            self.running[tune_id] = action.trial.number
            resources = self.core.study.resources
            return {SPEC: self.spec_of(action.trial), RESOURCES: (action.workers, resources.cpus, resources.gpus)}
        return str(TuneSearcher.FINISHED) if isinstance(action, Done) else None

    def hear(self, tune_id: str, message: Began | EpochDone | Broke) -> bool:
        """Take a slot's message to the core; True if the stretch goes on."""
        number = self.running[tune_id]
        goes_on = self._tell(number, message)
        if not goes_on:
            del self.running[tune_id]
        return goes_on

    def lost(self, tune_id: str, cause: str) -> None:
        """A slot died without a word."""
        number = self.running.pop(tune_id, None)
        if number is not None:
            self._failed(number, "lost", cause)

    def _tell(self, number: int, message: Began | EpochDone | Broke) -> bool:
        if isinstance(message, Began):
            slot = self._slot_numbers.setdefault(message.slot, str(len(self._slot_numbers)))
            self.core.started(number, message.node, slot, message.workers, message.at)
            return True
        if isinstance(message, Broke):
            self._failed(number, message.kind, message.cause)
            return False
        trial = self.core.history.trials[number]
        self._blame.worked(trial.stays[-1].node)
        before = trial.files
        decision = self.core.report(number, message.epoch, message.metrics, message.checkpoint, message.first_batch)
        self._prune(trial, before)
        self.stopping = self.stopping or self.stop_requested()
        goes_on = decision.action == "continue" and not self.stopping
        too_many = self._asked_back and self._free() < 0
        if goes_on and too_many and message.checkpoint and message.epoch == trial.epoch:
            why = f"more trials run, {len(self.running)}, than there are slots, {self.slots}"
            self.core.handed_back(number, why)
            return False
        return goes_on

    def _failed(self, number: int, kind: str, cause: str) -> None:
        trial = self.core.history.trials[number]
        self.core.failed(number, kind, cause)
        # A node that was lost is not to blame when it comes back; before the first stay nobody knows where a trial was.
        node = trial.stays[-1].node if trial.stays and kind != "lost" else None
        why = self._blame.failed(node, number) if node else None
        if node and why:
            self.core.exclude(node, why)
            self.exclude(node, why)

    def _prune(self, trial: Trial, before: list[str]) -> None:
        """Remove the checkpoints that a newer one has replaced, and those of ended trials."""
        drop_replaced(self.folder, self.core.history, set(before).difference(trial.files))
        if trial.state in ENDED:
            drop_surplus(self.folder, self.core.history, self.core.study.checkpoints.keep)

    def spec_of(self, trial: Trial) -> TrialSpec:
        """What a trial's workers are told; its last checkpoint is where they go on from."""
        study = self.core.study
        every = study.checkpoints.every
        save_at = {*range(every, study.max_epochs + 1, every), *self.core.scheduler.rungs, study.max_epochs}
        return TrialSpec(
            trial=trial.number,
            trainable=self.trainable or study.trainable,
            config=trial.config,
            fixed=study.config,
            seed=study.seed,
            data=study.data,
            precision=study.resources.precision,
            lr_scaling=study.resources_of(trial.config).lr_scaling,
            folder=self.folder,
            checkpoint=trial.checkpoint[1] if trial.checkpoint else None,
            inherits=trial.inherits,
            mate=trial.mate_checkpoint,
            mutation=trial.mutation,
            save_at=frozenset(save_at),
            import_from=study.import_from,
            epoch_seconds=study.limits.epoch_seconds,
            batch=study.resources.batch,
        )


class _Orders(TuneSearcher):
    """Tune's searcher: hands out the core's orders as trials."""

    def __init__(self, driver: RayTuneDriver) -> None:
        super().__init__(metric=None, mode=None)
        self.driver = driver

    def suggest(self, trial_id: str) -> Any:
        with self.driver.noting_what_is_raised():
            return self.driver.order(trial_id)

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        if error:
            self.driver.lost(trial_id, _LOST)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the record."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, when Tune pickles itself for a restore of its own that never happens."""
        return {}


class _Reports(FIFOScheduler):
    """Tune's scheduler: takes each report to the core and its decision back."""

    def __init__(self, driver: RayTuneDriver) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.driver = driver

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        self.driver.joined(tune_controller._tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: Mapping[str, Any]) -> str:
        with self.driver.noting_what_is_raised():
            goes_on = self.driver.hear(trial.trial_id, result[MESSAGE])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as for the searcher."""
        return {}


class _Turn(tune.Callback):
    """A moment of every turn of Tune's loop for what the driver has to do besides."""

    def __init__(self, driver: RayTuneDriver) -> None:
        self.driver = driver

    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        self.driver.turn()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as for the searcher."""
        return {}


def _placement(config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
    """The places of a stay; Tune hands a slot on only to one with equal places, and ends idle ones in the way."""
    workers, cpus, gpus = config[RESOURCES]
    return tune.PlacementGroupFactory([{SLOT_RESOURCE: 1.0}] + [_bundle(cpus, gpus)] * workers, strategy="PACK")


def _bundle(cpus: float, gpus: float) -> dict[str, float]:
    return {"CPU": cpus, **({"GPU": gpus} if gpus else {})}
