"""A training's session: set it up or take it up again, run it on Ray, leave its best model and its record in order."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raise_hpo.errors import UserError
from raise_hpo.folder import DriverLock
from raise_hpo.history import History
from raise_hpo.interrupts import terminated_is_interrupted
from raise_hpo.journal import Event, Journal, JournalError, read
from raise_hpo.names import resolve_trainable
from raise_hpo.session import checked_trainable
from raise_hpo.track import Tracker, tracking_uri
from raise_hpo.train.folder import TrainingFolder, new_training_folder, trainings_of
from raise_hpo.train.follow import Follower
from raise_hpo.train.order import TrainingOrder
from raise_hpo.train.places import PlacesLost, PlacesOfWorkers
from raise_hpo.train.plan import Plan, first_events, kept_plan
from raise_hpo.train.progress import progress_of
from raise_hpo.trial.record import write_whole
from raise_hpo.trial.spec import TrialSpec
from raise_hpo.yaml_source import dump_yaml

if TYPE_CHECKING:
    from raise_hpo.drive.cluster import StudyRay

_TRACKER_SECONDS = 120.0
_TRACKER_SECONDS_IN_HASTE = 15.0
_OF_THE_CLUSTER = ("cpus", "gpus", "workers", "survivors")
_IDENTITY = ("trainable", "config", "data", "objective", "seed")

View = Callable[[Event, History], None]


class AlreadyFinished(UserError):
    """All that was asked of a training is done."""


class Training:
    """Trains one configuration to its end; take the same plan again to go on with one that broke off.

    Args:
        plan: What to train.
        fresh: Train anew, whatever there is of the same training.
        view: Told every event of the journal, with the history up to it.
        ray: The Ray to run on; the one at hand if None.
        folder: The training to go on with; if None, the latest of the same configuration, data and seed, or a new one.

    Attributes:
        found: The training that is gone on with; None for a new one.
        driving: Whether workers train, or are about to.

    Raises:
        AlreadyFinished: The same training is finished already.
    """

    def __init__(
        self, plan: Plan, fresh: bool = False, view: View = lambda event, history: None, ray: StudyRay | None = None,
        folder: TrainingFolder | None = None,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.study = plan.study()
        self.view = view
        self.ray = ray
        self.history = History()
        self.driving = False
        self._stop_asked: str | None = None
        self._events: list[Event] = []
        self.found = folder or (None if fresh else self._same())
        if self.found is not None:
            self._refuse_done(self.found)

    @classmethod
    def take_up(
        cls, folder: TrainingFolder, view: View = lambda event, history: None, ray: StudyRay | None = None
    ) -> Training:
        """A training that broke off or was stopped, by the plan that its folder keeps.

        Raises:
            AlreadyFinished: All of that plan is done.
            UserError: There is no plan, or the trainable or its data cannot be used.
        """
        plan = kept_plan(folder)
        checked_trainable(plan.choice.study, None)
        return cls(plan, view=view, ray=ray, folder=folder)

    def _same(self) -> TrainingFolder | None:
        """The latest training of the same configuration, data and seed."""
        mine = _identity(self.plan.first_events(""))
        trainings = reversed(trainings_of(self.plan.choice.home))
        return next((folder for folder in trainings if _identity(first_events(folder)) == mine), None)

    def _refuse_done(self, folder: TrainingFolder) -> None:
        history = folder.history()
        if history.state != "finished":
            return
        if (why := progress_of(history).over(self.plan.epochs, self.plan.patience)) is not None:
            raise AlreadyFinished(
                f"training {folder.name} of the same configuration is finished ({why}); give more --epochs to go on "
                "with it, or --fresh to train anew"
            )

    def prepare(self) -> TrainingFolder:
        """The training's folder with the plan in it, to be begun or gone on with later, by `take_up`."""
        folder = self.found or new_training_folder(self.plan.choice.home)
        folder.jobs.mkdir(exist_ok=True)
        self.plan.keep(folder)
        return folder

    def request_stop(self, why: str) -> None:
        """Stop after the running epoch, with a checkpoint; from a signal handler or another thread."""
        self._stop_asked = why
        with suppress(OSError, AttributeError):
            self.folder.stop_request.write_text(why)

    def run(self) -> History:
        """Run to the end, or until a stop or an interrupt; the history then. To be taken up again after either.

        Raises:
            UserError: Another driver is at work, the cluster is too small, or the folder cannot be written.
            KeyboardInterrupt: Interrupted; the journal says so.
        """
        self.folder = self.found or new_training_folder(self.plan.choice.home)
        lock = DriverLock(self.folder)
        try:
            with Journal(self.folder.journal) as journal:
                self._journal = journal
                try:
                    self.plan.keep(self.folder)
                    return self._run()
                finally:
                    if journal.seq == 0 and not self.folder.jobs.is_dir():
                        shutil.rmtree(self.folder.path, ignore_errors=True)
        finally:
            lock.release()

    def _run(self) -> History:
        before = read(self.folder.journal) if self._journal.seq else []
        for event in before:
            self.history.apply(event)
        self._events = list(before)
        self.folder.stop_request.unlink(missing_ok=True)
        if self._stop_asked:
            self.request_stop(self._stop_asked)
        tracker = Tracker(self.folder, tracking_uri(self.folder, self.study.tracking.mlflow))
        try:
            self._drive(bool(before), tracker)
        except KeyboardInterrupt:
            self._close("interrupted", "interrupted by the user or the system")
            raise
        except JournalError:
            raise
        except PlacesLost as error:
            self._close("interrupted", str(error))
            raise
        except Exception as error:
            self._close("failed", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            raise
        finally:
            with suppress(OSError):
                self._leave_in_order()
            hasty = self.history.state == "interrupted" or self._stop_asked is not None
            tracker.finish(_TRACKER_SECONDS_IN_HASTE if hasty else _TRACKER_SECONDS)
        return self.history

    def _drive(self, again: bool, tracker: Tracker) -> None:
        from raise_hpo.drive.cluster import ray_at_hand

        # Ray puts a SIGTERM handler of its own in place when it starts; ours must come after it.
        with self.ray or ray_at_hand(), terminated_is_interrupted():
            places = PlacesOfWorkers(self.plan.workers, self.study.resources)
            places.check()
            follower = Follower(self.folder, self._events)
            self._log([self._resumed()] if again else self.plan.first_events(self.folder.name))
            self._follow(follower)
            follower.ended = None
            write_whole(self.folder.session, str(len(self.history.sessions)).encode())
            tracker.start()
            self.driving = True
            try:
                self._train(follower, places)
            finally:
                self.driving = False
            self._follow(follower)
            self._end(follower)
            self._draw()

    def _train(self, follower: Follower, places: PlacesOfWorkers) -> None:
        from raise_hpo.train.trainer import run_trainer

        def turn() -> None:
            self._follow(follower)
            places.watch()

        with tempfile.TemporaryDirectory(prefix="rh-train-") as storage:
            run_trainer(self._order(), self.plan.workers, self.study.resources, Path(storage), turn)

    def _draw(self) -> None:
        """Have the best epoch's model draw its figures, once the training is finished, if its trainable draws any."""
        from raise_hpo.drive.draw import draw, draws

        study, model = self.study, self.folder.best_model(self.history)
        if self.history.state == "finished" and model and draws(resolve_trainable(study.trainable, study.import_from)):
            spec = replace(self._order().spec, checkpoint=self.folder.checkpoint(model[1]))
            draw(model, spec, study.resources, self.folder.log.resolve())

    def _order(self) -> TrainingOrder:
        study, config = self.study, self.plan.choice.config
        spec = TrialSpec(
            trial=self.plan.choice.trial or 0, trainable=study.trainable, config=config,
            fixed=study.config, seed=study.seed, data=study.data, precision=study.resources.precision,
            lr_scaling=study.resources_of(config).lr_scaling, folder=self.folder.path.resolve(), checkpoint=None,
            save_at=frozenset(), import_from=study.import_from, batch=study.resources.batch,
        )  # fmt: skip
        return TrainingOrder(
            spec=spec, folder=TrainingFolder(self.folder.path.resolve()), metric=study.objectives[0].metric,
            mode=study.objectives[0].mode, epochs=self.plan.epochs, patience=self.plan.patience,
            every=study.checkpoints.every, attempts=study.limits.attempts, session=len(self.history.sessions),
            threads=max(1, int(study.resources.cpus)),
        )  # fmt: skip

    # The journal

    def _resumed(self) -> Event:
        return {
            "event": "resumed", "slots": 1, "epochs": self.plan.epochs, "patience": self.plan.patience,
            "workers": self.plan.workers,
        }  # fmt: skip

    def _log(self, events: Sequence[Event]) -> None:
        stamped = [{"time": round(time.time(), 3), **event} for event in events]
        self._journal.append(stamped)
        for event in stamped:
            self.history.apply(event)
            self.view(event, self.history)

    def _follow(self, follower: Follower) -> None:
        for events in follower.news(self.history):
            self._log(events)

    def _end(self, follower: Follower) -> None:
        """Journal how the session ended, in the words of rank 0."""
        ended, trial = follower.ended, self.history.trials[0]
        if ended is None:
            self._close("failed", "the workers ended without a word")
        elif ended["state"] == "finished":
            self._log([{"event": "finished", "trial": 0, "value": trial.value}])
            self._close("finished", ended["why"])
        elif ended["state"] == "failed":
            self._close("failed", _cause(ended, follower.last_failure))
        else:
            self._close(ended["state"], ended["why"])

    def _close(self, state: str, why: str) -> None:
        if self.history.state == "running":
            self._log([{"event": "stopped", "state": state, "why": why}])

    def _leave_in_order(self) -> None:
        """Keep study file and configuration, the best epoch's checkpoint, and the report."""
        from raise_hpo.report.drawn import write_page
        from raise_hpo.report.html import write_report

        if not self.history.trials:
            return
        self.folder.study_file.write_text(self.study.to_yaml())
        self.folder.best.mkdir(exist_ok=True)
        (self.folder.best / "config.yaml").write_text(dump_yaml(dict(self.plan.choice.config)))
        model = self.folder.best_model(self.history)
        if model and (checkpoint := self.folder.path / self.folder.checkpoint(model[1])).is_file():
            shutil.copyfile(checkpoint, self.folder.best / "checkpoint.pt")
        write_page(self.folder, self.history)
        write_report(self.folder)
        self.folder.stop_request.unlink(missing_ok=True)


def _cause(ended: Event, failure: Event | None) -> str:
    """Why a training failed, with what ended the last start where workers did not get any further."""
    if ended["failure"] is None and failure is not None:
        return f"{ended['why']}; the last one ended so: {failure['kind']}: {failure['cause']}"
    return str(ended["why"])


def _identity(events: Sequence[Event]) -> dict[str, Any]:
    """What makes two trainings the same: all that decides the numbers, and neither workers nor epochs."""
    study, training = events[0]["study"], events[0].get("training", {})
    resources = {key: value for key, value in study["resources"].items() if key not in _OF_THE_CLUSTER}
    same = {key: study[key] for key in _IDENTITY}
    found = {**same, "resources": resources, "chosen": events[1]["config"], "trial": training.get("trial") or 0}
    return dict(json.loads(json.dumps(found)))
