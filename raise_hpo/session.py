"""One driver's session with a study: set it up or take it up again, run it on a local Ray, leave all in order."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from raise_hpo.checkpoints import keep_best, sweep
from raise_hpo.curves import CurveTable
from raise_hpo.decide import DecisionCore, versions
from raise_hpo.defaults import default_config
from raise_hpo.earlier import keep_earlier, kept_earlier, load_earlier
from raise_hpo.errors import UserError
from raise_hpo.folder import DriverLock, StudyFolder, new_study_folder
from raise_hpo.history import Config, History
from raise_hpo.interrupts import terminated_is_interrupted
from raise_hpo.journal import Event, Journal, JournalError, read
from raise_hpo.names import resolve_trainable
from raise_hpo.report.words import counted
from raise_hpo.study import StudySpec, load_study_file
from raise_hpo.workers import WORKERS

if TYPE_CHECKING:
    from raise_hpo.drive.cluster import Capacity, StudyRay

_TRACKER_SECONDS = 120.0
_TRACKER_SECONDS_IN_HASTE = 15.0


class View(Protocol):
    """Something that shows a study while it runs."""

    def event(self, event: Event) -> None:
        """An event was journaled."""

    def refresh(self) -> None:
        """Time has passed."""


Limit = Callable[[int, int], int]
ViewMaker = Callable[[Callable[[], History], str], AbstractContextManager[View]]


class Silent:
    """Shows nothing."""

    def event(self, event: Event) -> None:
        """Ignore it."""

    def refresh(self) -> None:
        """Nothing to do."""


def no_view(history: Callable[[], History], name: str) -> AbstractContextManager[View]:
    """A view for scripts and notebooks."""
    return nullcontext(Silent())


class Session:
    """Runs a new study (`start`) or one that broke off (`take_up`) to its end, on Ray.

    Args:
        study: The study.
        folder: Its folder.
        trainable: The trainable's class.
        slots: Trials at a time, as they start; as many as fit if None.
        view: Makes what shows the study.
        ray: The Ray to run on, which may lose and gain nodes; a private one on this machine if None.
        limit: On a shared cluster, how many slots the study may use, once a second, given how many fit and how many
            trials it could run.

    Attributes:
        exclude: Told of a node that is to be left alone from now on, and why.
        driving: Whether trials run, or are about to.
    """

    def __init__(
        self,
        study: StudySpec,
        folder: StudyFolder,
        trainable: type,
        slots: int | None = None,
        view: ViewMaker = no_view,
        ray: StudyRay | None = None,
        limit: Limit | None = None,
    ) -> None:
        self.study = study
        self.folder = folder
        self.trainable = trainable
        self.slots = slots
        self.view_maker = view
        self.ray = ray
        self.exclude: Callable[[str, str], None] = lambda node, why: None
        self._stop_asked: str | None = None
        self.driving = False
        self.limit = limit
        self.default: Config | None = default_config(study, trainable)
        self.earlier: tuple[CurveTable, ...] = ()

    @classmethod
    def start(
        cls, study: StudySpec, name: str | None = None, trainable: type | None = None, slots: int | None = None,
        view: ViewMaker = no_view,
    ) -> Session:  # fmt: skip
        """A new study in a folder of its own; everything that can be checked before training is checked first.

        Raises:
            UserError: The trainable, its configuration or its data, or an earlier study cannot be used, or the name is
                taken.
        """
        found = checked_trainable(study, trainable)
        folder, earlier = set_up(study, name)
        session = cls(study, folder, found, slots, view)
        session.earlier = earlier
        return session

    @staticmethod
    def prepare(study: StudySpec, name: str | None = None) -> StudyFolder:
        """The folder of a new study that will be begun later, by `take_up`; checked as by `start`.

        Raises:
            UserError: As for `start`.
        """
        checked_trainable(study, None)
        folder, _ = set_up(study, name)
        folder.jobs.mkdir()
        return folder

    @classmethod
    def take_up(
        cls, folder: StudyFolder, trainable: type | None = None, slots: int | None = None, view: ViewMaker = no_view,
        ray: StudyRay | None = None, limit: Limit | None = None,
    ) -> Session:  # fmt: skip
        """A study that was prepared, or stopped, interrupted or killed: from its study file or its journal.

        Raises:
            UserError: The study is finished, has no sound journal, lacks the curves of an earlier study, or its
                trainable or data cannot be used.
        """
        if not folder.begun and folder.study_file.is_file():
            study = load_study_file(str(folder.study_file))
            session = cls(study, folder, checked_trainable(study, trainable), slots, view, ray, limit)
            session.earlier = kept_earlier(folder, len(study.warm_start))
            return session
        history = folder.history()
        if history.state == "finished":
            raise UserError(
                f"study {folder.name} is finished ({history.why}); see it with 'raise-hpo report {folder.name}'"
            )
        study = StudySpec.model_validate(history.study)
        session = cls(study, folder, checked_trainable(study, trainable), slots, view, ray, limit)
        session.earlier = kept_earlier(folder, len(study.warm_start))
        return session

    def request_stop(self, why: str) -> None:
        """Stop after the running epochs, which are checkpointed; from a signal handler or another thread."""
        self._stop_asked = why
        with suppress(OSError):
            self.folder.stop_request.write_text(why)

    def run(self) -> History:
        """Run to the end, or until a stop or an interrupt; the history then. Resumable after whatever ends it.

        Raises:
            UserError: Another driver runs this study, or its folder cannot be written.
            KeyboardInterrupt: Interrupted; the journal says so.
        """
        lock = DriverLock(self.folder)
        try:
            with Journal(self.folder.journal) as journal:
                try:
                    return self._run(journal)
                finally:
                    if journal.seq == 0 and not self.folder.jobs.is_dir():
                        # Nothing was begun: what is left would look like a study.
                        shutil.rmtree(self.folder.path, ignore_errors=True)
        finally:
            lock.release()

    def _run(self, journal: Journal) -> History:
        from raise_hpo.track import Tracker

        before = read(self.folder.journal) if journal.seq else []
        self.folder.stop_request.unlink(missing_ok=True)
        if self._stop_asked:
            self.request_stop(self._stop_asked)
        self.folder.hand_back.unlink(missing_ok=True)
        views: list[View] = []

        def log(events: list[Event]) -> None:
            journal.append(events)
            for event in events:
                for view in views:
                    view.event(event)

        core = DecisionCore(self.study, log, self.default, events=before, earlier=self.earlier)
        tracker = Tracker(self.folder, self.study.tracking.mlflow)
        with self.view_maker(lambda: core.history, self.folder.name) as view:
            views.append(view)
            try:
                self._drive(core, bool(before), view, tracker)
            except KeyboardInterrupt:
                self._close(core, "interrupted", "interrupted by the user or the system")
                raise
            except JournalError:
                raise
            except Exception as error:
                self._close(core, "failed", f"{type(error).__name__}: {error}")
                raise
            finally:
                # On a full disk the report has to wait for `raise-hpo report`; what ended the study must be said.
                with suppress(OSError):
                    self._leave_in_order(core.history)
                tracker.finish(_TRACKER_SECONDS if self._stop_asked is None else _TRACKER_SECONDS_IN_HASTE)
        return core.history

    def _close(self, core: DecisionCore, state: str, why: str) -> None:
        """Journal how the session ended, if it has begun."""
        if core.history.state == "running":
            core.stop(state, why)

    def _drive(self, core: DecisionCore, again: bool, view: View, tracker: Any) -> None:
        from raise_hpo.drive.cluster import LocalRay

        # Ray puts a SIGTERM handler of its own in place when it starts; ours must come after it.
        with self.ray or LocalRay() as ray, terminated_is_interrupted():
            from raise_hpo.drive.ray_tune import RayTuneDriver

            _check_room(self.study, self._capacity())
            found = self._allowed(core)
            if again:
                core.go_on(found.slots, found.places)
            else:
                core.begin(self.folder.name, found.slots, versions(), found.places)
            tracker.start()
            driver = RayTuneDriver(
                core, self.folder.path.resolve(), ray.storage, found.slots,
                trainable=self.trainable if self._has_no_name else None,
                stop_requested=every_second(self._is_to_stop), each_turn=view.refresh,
                capacity=(lambda: self._allowed(core)) if self.ray else None, exclude=self.exclude,
            )  # fmt: skip
            self.driving = True
            try:
                driver.run()
            finally:
                self.driving = False
            self._draw(core.history, driver)
        self._close(core, "stopped", self._stop_reason())

    def _draw(self, history: History, driver: Any) -> None:
        """Have the best trial's model draw its figures, once the study is finished, if its trainable draws any."""
        from raise_hpo.drive.draw import draw, draws

        model = self.folder.best_model(history)
        if draws(self.trainable) and history.state == "finished" and model is not None:
            spec = driver.spec_of(history.trials[model[0]])
            draw(model, spec, self.study.resources, spec.log_file)

    def _is_to_stop(self) -> bool:
        return self._stop_asked is not None or self.folder.stop_request.exists()

    def _capacity(self) -> Capacity:
        """What the cluster can run now, and no more than the user wants."""
        from raise_hpo.drive.cluster import find_capacity

        resources = self.study.resources
        found = find_capacity(resources.starting_workers, resources.cpus, resources.gpus)
        return found if self.slots is None else self._at_most(self.slots, found)

    def _allowed(self, core: DecisionCore) -> Capacity:
        """What the cluster can run of this study now, other studies considered."""
        found = self._capacity()
        return self._at_most(self.limit(found.slots, core.wanted()), found) if self.limit else found

    def _at_most(self, slots: int, found: Capacity) -> Capacity:
        """So many trials, as they start, or as many as fit."""
        if slots >= found.slots:
            return found
        return replace(found, slots=slots, places=slots * self.study.resources.starting_workers)

    @property
    def _has_no_name(self) -> bool:
        """Whether workers cannot import the trainable: it was defined in a script, a notebook or on another machine."""
        return self.trainable.__module__ == "__main__" or self.trainable.__module__ not in sys.modules

    def _stop_reason(self) -> str:
        """What the one who asked for the stop gave as a reason."""
        if self._stop_asked:
            return self._stop_asked
        with suppress(OSError):
            return self.folder.stop_request.read_text().strip() or "stopped on request"
        return "stopped on request"

    def _leave_in_order(self, history: History) -> None:
        """Keep the best trial's configuration and checkpoint, and write the report."""
        from raise_hpo.report.drawn import write_page
        from raise_hpo.report.html import write_report

        if history.trials:
            keep_best(self.folder, history)
            sweep(self.folder, history, self.study.checkpoints.keep)
            write_page(self.folder, history)
            write_report(self.folder)
        self.folder.stop_request.unlink(missing_ok=True)
        self.folder.hand_back.unlink(missing_ok=True)


def set_up(study: StudySpec, name: str | None) -> tuple[StudyFolder, tuple[CurveTable, ...]]:
    """Make a new study's folder with its study file and the curves of earlier studies.

    Raises:
        UserError: An earlier study cannot be used, or the name is taken.
    """
    earlier = load_earlier(study)
    folder = new_study_folder(name or study.name, numbered=name is None)
    folder.study_file.write_text(study.to_yaml())
    keep_earlier(folder, earlier)
    return folder, earlier


def every_second(question: Callable[[], bool]) -> Callable[[], bool]:
    """Ask a question of the file system at most once a second; once true, always true."""
    state = {"asked": 0.0, "answer": False}

    def ask() -> bool:
        now = time.monotonic()
        if not state["answer"] and now - state["asked"] >= 1.0:
            state["asked"], state["answer"] = now, question()
        return bool(state["answer"])

    return ask


def checked_trainable(study: StudySpec, trainable: type | None) -> type:
    """The trainable's class, after it has looked at the study's data, and the search space at its default."""
    found = trainable or resolve_trainable(study.trainable, study.import_from)
    check: Callable[[Mapping[str, Any]], None] = getattr(found, "check_data", lambda data: None)
    check(study.data)
    _check_growing(study, found)
    default_config(study, found)
    return found


def _check_growing(study: StudySpec, trainable: type) -> None:
    from raise_hpo.trial.trainable import Trainable

    growing = study.scheduler.options.get("grow")
    if growing and getattr(trainable, "grown", None) is Trainable.grown:
        raise UserError(
            f"scheduler.{study.scheduler.name}.grow names {', '.join(growing)}, but {trainable.__name__} has no method "
            "grown(self, network, state) that fits weights to a larger network; leave the option out"
        )


def _check_room(study: StudySpec, found: Capacity) -> None:
    """Every trial must fit, whatever number of workers it starts with."""
    resources, most = study.resources, study.most_workers
    if found.slots < 1:
        import ray

        has = ray.cluster_resources()
        raise UserError(
            f"resources ask for {resources.starting_workers} worker(s) of {resources.cpus:g} CPU(s) and "
            f"{resources.gpus:g} GPU(s) a trial, and there are {has.get('CPU', 0):g} CPU(s) and "
            f"{has.get('GPU', 0):g} GPU(s)"
        )
    if found.places < most:
        raise UserError(
            f"search_space.{WORKERS} goes up to {most}, and there is room for {counted(found.places, 'worker')} of "
            f"{resources.cpus:g} CPU(s) and {resources.gpus:g} GPU(s); give fewer by "
            f"--set search_space.{WORKERS}='choice([1, …])', or more slots"
        )
