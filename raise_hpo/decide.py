"""The decision core: what runs next, and what becomes of a trial after each report. The same for every driver.

It knows no Ray, torch, files or threads. A driver asks `next`, runs what it is told, and tells `started`, `report` and
`failed`. Each method logs its events first and answers then. All state is a fold of the events, so that a core which is
given a journal's events goes on as the one that wrote them.
"""

from __future__ import annotations

import heapq
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from raise_hpo.budget import BudgetWatch
from raise_hpo.elastic import Places
from raise_hpo.history import ENDED, Config, Decision, History, Trial
from raise_hpo.journal import Event
from raise_hpo.predict import make_stopper
from raise_hpo.schedule import scheduler_of
from raise_hpo.search import make_searcher
from raise_hpo.search.warm import SOURCE, WarmStart
from raise_hpo.study import StudySpec

if TYPE_CHECKING:
    from raise_hpo.curves import CurveTable

INFRASTRUCTURE = ("killed", "lost")
"""Kinds of failure that say nothing about the configuration; such a trial is tried again."""


@dataclass(frozen=True)
class Run:
    """Run this trial with so many workers: from its checkpoint if it has one, else from the start."""

    trial: Trial
    workers: int = 1


@dataclass(frozen=True)
class Wait:
    """Nothing to run until a running trial reports."""


@dataclass(frozen=True)
class Done:
    """The study is over."""


class DecisionCore:
    """Searcher, scheduler and budget of one study, over its history.

    Args:
        study: The study.
        log: Writes events durably; called before anything is acted upon.
        default: The default configuration within the search space, or None if there is none to compare with.
        clock: Seconds since the epoch; a virtual clock in simulations.
        events: What happened so far; empty for a new study.
        earlier: Learning curves of earlier studies, to begin with their best configurations and to learn from.
    """

    def __init__(
        self, study: StudySpec, log: Callable[[list[Event]], None], default: Config | None = None,
        clock: Callable[[], float] = time.time, events: Iterable[Event] = (), earlier: Sequence[CurveTable] = (),
    ) -> None:  # fmt: skip
        self.study = study
        self.clock = clock
        self.history = History()
        self.searcher = make_searcher(study.searcher.name, study.space, study.seed, **study.searcher.options)
        self.scheduler = scheduler_of(study)
        self.searcher.rungs = self.scheduler.rungs
        self.stopper = make_stopper(
            study.stopper.name, study.space, study.seed, study.max_epochs, earlier, **study.stopper.options
        )
        self._warm_start = WarmStart(earlier, study.space, default, self.scheduler.rungs, study.max_epochs)
        self.budget = BudgetWatch(study, self.history, clock)
        self._log_events = log
        self._default = default if study.default else None
        self.places = Places(study, self.history, self.scheduler.rungs)
        self._waiting_numbers: list[int] = []
        self._exhausted = False
        self._pending: list[Event] = []
        for event in events:
            self._apply(event)

    # The study

    def begin(self, name: str, slots: int, versions: Mapping[str, str], places: int | None = None) -> None:
        """A new study starts, with so many trials at a time as they start, or so many workers."""
        study, room = self.study.resolved(), self._room(slots, places)
        self._log({"event": "study", "name": name, "study": study, "versions": dict(versions), **room})

    def go_on(self, slots: int, places: int | None = None) -> None:
        """A driver takes the study up again: what was running waits for a slot, what was left undecided is decided."""
        self._log({"event": "resumed", **self._room(slots, places)})
        for trial in self.history.trials:
            if trial.state not in ENDED and trial.epoch and trial.epoch not in trial.decisions:
                self._settle(trial)

    def _room(self, slots: int, places: int | None) -> dict[str, int]:
        """How many trials and, where their workers change, how many workers can run at a time."""
        if not self.places.elastic:
            return {"slots": slots}
        return {"slots": slots, "places": slots * self.study.resources.starting_workers if places is None else places}

    def has_capacity(self, slots: int, nodes: Sequence[str], places: int | None = None) -> None:
        """So many trials and workers can run at a time now, on these nodes; journaled if that is news."""
        known, room = self.history.nodes, self._room(slots, places)
        same = slots == self.history.slots and room.get("places", self.history.places) == self.history.places
        if same and known == list(nodes):
            return
        lost, joined = ([], []) if known is None else (sorted({*known} - {*nodes}), sorted({*nodes} - {*known}))
        self._log({"event": "capacity", **room, "nodes": list(nodes), "lost": lost, "joined": joined})

    def exclude(self, node: str, why: str) -> None:
        """A node gets no trials any more."""
        self._log({"event": "excluded", "node": node, "why": why})

    def wanted(self) -> int:
        """How many trials could run at once now if there were slots for all.

        Of paused trials one is counted, as which of them will go on shows only when a slot asks for one.
        """
        states = [trial.state for trial in self.history.trials]
        on = states.count("running") + states.count("waiting")
        if self.budget.spent():
            return on
        return on + ("paused" in states) + self._new_trials_left()

    def _new_trials_left(self) -> int:
        if not self._trials_left() or (self.history.trials and not self.scheduler.has_room()):
            return 0
        trials = self.study.budget.trials
        return sys.maxsize if trials is None else trials - self.history.suggested

    def stop(self, state: str, why: str) -> None:
        """The driver stops: ``stopped`` (on request), ``interrupted`` or ``failed``; each can be resumed."""
        self._log({"event": "stopped", "state": state, "why": why})

    def next(self) -> Run | Wait | Done:
        """What a free slot should do: go on with a waiting trial, resume a paused one, start a new one, or nothing.

        Where trials may have several numbers of workers, the first one that waits is the next to run, and nothing
        starts before it has its places: smaller ones that came later would keep it waiting for good.
        """
        if not self.places.fit(1):
            return Wait()
        waiting = self._waiting()
        if waiting is None and not self.budget.spent():
            waiting = self._choose() or (self._choose() if self._runs_out() else None)
        if waiting is not None:
            return self._run(waiting)
        if self.places or not (self.places.starting() or self.budget.spent() or not self._trials_left()):
            return Wait()
        self._finish()
        return Done()

    def _run(self, trial: Trial) -> Run | Wait:
        """Run a trial as soon as its places are free."""
        workers = self.places.workers(trial)
        if not self.places.fit(workers):
            return Wait()
        self.places.hold(trial.number, workers)
        return Run(trial, workers)

    def _choose(self) -> Trial | None:
        """What the scheduler wants to go on with, else a new trial."""
        self._give_up()
        self._promote()
        return self._waiting() or self._inherit() or self._suggest()

    def _runs_out(self) -> bool:
        """Whether it turns out now that no new trial will start any more; journaled, as the scheduler learns of it."""
        if self._trials_left() or self.history.exhausted == self.history.suggested:
            return False
        self._log({"event": "exhausted", "why": self._nothing_new()})
        return True

    def _nothing_new(self) -> str:
        return "every configuration was tried" if self._exhausted else f"{len(self.history.trials)} trials are done"

    def _waiting(self) -> Trial | None:
        """The first trial that waits for a slot."""
        while self._waiting_numbers:
            trial = self.history.trials[self._waiting_numbers[0]]
            if trial.state == "waiting" and trial.number not in self.places:
                return trial
            heapq.heappop(self._waiting_numbers)
        return None

    def _give_up(self) -> None:
        """Stop the paused trials that the scheduler will never resume."""
        while (given_up := self.scheduler.give_up()) is not None:
            number, why = given_up
            self._log(_decided(self.history.trials[number], Decision("stop", why)))

    def _promote(self) -> None:
        resumed = self.scheduler.resume()
        if resumed is not None:
            number, why = resumed
            trial = self.history.trials[number]
            self._log(_decided(trial, self._grown(trial, Decision("resume", why))))

    def _grown(self, trial: Trial, decision: Decision) -> Decision:
        """The decision to go on, with more workers if it is time for them."""
        growth = self.places.growth(trial)
        if growth is None:
            return decision
        action: Literal["grow", "resume"] = "grow" if decision.action == "continue" else "resume"
        return Decision(action, f"{decision.why}; {growth.why}", workers=growth.workers)

    def _inherit(self) -> Trial | None:
        """A new trial that goes on from another one's checkpoint, if the scheduler wants one."""
        heir = self.scheduler.heir()
        if heir is None:
            return None
        parent, mate = self._with_epoch(heir.parent), self._with_epoch(heir.mate)
        # Without a checkpoint the driver was killed before it noted it; that trial will train the epoch again.
        if parent is None or (mate is None and heir.mate is not None):
            return None
        mutation = {"mutation": heir.mutation} if heir.mutation else {}
        told = {**parent, "why": heir.why, **mutation, **({"mate": mate} if mate else {})}
        return self._new_trial(heir.config, self.scheduler.name, {"parent": told})

    def _with_epoch(self, number: int | None) -> dict[str, int] | None:
        """A trial and the epoch of its checkpoint; None if it has none."""
        checkpoint = None if number is None else self.history.trials[number].checkpoint
        return {"trial": number, "epoch": checkpoint[0]} if number is not None and checkpoint else None

    def _suggest(self) -> Trial | None:
        """A new trial: of the default configuration, which comes first, of an earlier study's or the searcher's."""
        if not self._trials_left() or not self.places.starting():
            return None
        number = len(self.history.trials)
        if number == 0 and self._default is not None:
            return self._new_trial(self._default, "default")
        if not self.scheduler.has_room():
            return None
        proven = self._warm_start.next(self.history)
        if proven is not None:
            return self._new_trial(proven, SOURCE)
        config = self.searcher.suggest(number, self.history)
        if config is None:
            self._exhausted = True
            return None
        return self._new_trial(config, self.searcher.name)

    def _trials_left(self) -> bool:
        return self.budget.has_trials and not self._exhausted

    def _new_trial(self, config: Config, source: str, more: Mapping[str, Any] | None = None) -> Trial:
        number = len(self.history.trials)
        self._log({"event": "suggested", "trial": number, "config": config, "source": source, **(more or {})})
        return self.history.trials[number]

    def _finish(self) -> None:
        if self.history.state == "finished":
            return
        why = self.budget.spent() or self._nothing_new()
        left = [trial for trial in self.history.trials if trial.state == "paused"]
        self._log(
            *[
                _decided(trial, Decision("stop", f"paused at epoch {trial.epoch} when the study ended: {why}"))
                for trial in left
            ],
            {"event": "stopped", "state": "finished", "why": why},
        )

    # The trials

    def started(self, number: int, node: str, slot: str, workers: int, began: float) -> None:
        """A trial's model is built on a slot, and its checkpoint loaded if it has one."""
        trial = self.history.trials[number]
        self._log(
            {
                "event": "started", "trial": number, "node": node, "slot": slot, "attempt": trial.attempt,
                "workers": workers, "epoch": trial.checkpoint[0] if trial.checkpoint else 0, "began": round(began, 3),
            }
        )  # fmt: skip

    def report(
        self,
        number: int,
        epoch: int,
        metrics: Mapping[str, float],
        checkpoint: str | None = None,
        first_batch: float | None = None,
    ) -> Decision:
        """A trial has trained an epoch.

        An epoch that was reported before (the trial came back from an older checkpoint) is not reported again.

        Args:
            number: The trial.
            epoch: The epoch, counting from 1.
            metrics: All metrics; the objective's among them, or the trial has failed.
            checkpoint: Where the checkpoint made after this epoch is, relative to the study's folder.
            first_batch: When the first batch of this stay was begun, in seconds since the epoch.
        """
        trial = self.history.trials[number]
        saved = [{"event": "checkpointed", "trial": number, "epoch": epoch, "path": checkpoint}] if checkpoint else []
        if epoch <= trial.epoch:
            self._log(*saved)
            return Decision("continue", f"epoch {epoch} was reported before")
        flaw = self._flaw(metrics)
        if flaw is not None:
            self.failed(number, *flaw)
            return Decision("stop", flaw[1])
        reported = {"event": "reported", "trial": number, "epoch": epoch, "metrics": dict(metrics)}
        if first_batch is not None:
            reported["first_batch"] = round(first_batch, 3)
        self._stamp_and_apply([reported, *saved])
        decision = self._judge(trial)
        self._stamp_and_apply(self._verdict(trial, decision))
        self._flush()
        return decision

    def handed_back(self, number: int, why: str) -> None:
        """A running trial leaves its slot after a checkpoint and waits for another one; nothing was decided of it."""
        trial = self.history.trials[number]
        self._log({"event": "handed_back", "trial": number, "epoch": trial.epoch, "why": why})

    def failed(self, number: int, kind: str, cause: str) -> bool:
        """A trial broke; True if it is to be tried again, because its configuration is not to blame."""
        trial = self.history.trials[number]
        retry = kind in INFRASTRUCTURE and trial.attempt < self.study.limits.attempts
        self._log(
            {"event": "failed", "trial": number, "kind": kind, "cause": cause, "attempt": trial.attempt, "retry": retry}
        )
        return retry

    def _flaw(self, metrics: Mapping[str, float]) -> tuple[str, str] | None:
        names = [objective.metric for objective in self.study.objectives]
        for name in names:
            if name not in metrics:
                told = ", ".join(sorted(metrics)) or "nothing"
                return "no_metric", f"the objective '{name}' was not reported; reported: {told}"
        nan = next((name for name in names if not math.isfinite(metrics[name])), None)
        return ("nan", f"{nan} is {metrics[nan]}") if nan is not None else None

    def _judge(self, trial: Trial) -> Decision:
        """What becomes of a trial after its last report; its history and the scheduler know of the report already."""
        decision = self._fate(trial)
        return self._grown(trial, decision) if decision.action == "continue" else decision

    def _fate(self, trial: Trial) -> Decision:
        """Whether a trial goes on."""
        if trial.epoch >= self.study.max_epochs:
            return Decision("stop", f"all {self.study.max_epochs} epochs are done")
        spent = self.budget.spent()
        if spent:
            return Decision("stop", spent)
        if trial.is_default:
            return Decision("continue", "the default configuration trains to the end, to compare with")
        decision = self.scheduler.decide(trial.number, trial.epoch)
        return decision if decision.action != "continue" else self._foresee(trial) or decision

    def _foresee(self, trial: Trial) -> Decision | None:
        """The stopper's decision to stop a trial that will not have what its next rung needs."""
        need = self.scheduler.need(trial.number, trial.epoch) if self.stopper else None
        if self.stopper is None or need is None:
            return None
        judgement = self.stopper.judge(trial.number, need, self.history)
        guard = judgement.guard
        if guard is not None and self.history.guards.get((guard.rung, guard.epoch)) != asdict(guard):
            self._stamp_and_apply([{"event": "guarded", **asdict(guard)}])
        return judgement.decision

    def _verdict(self, trial: Trial, decision: Decision) -> list[Event]:
        if trial.epoch >= self.study.max_epochs:
            return [{"event": "finished", "trial": trial.number, "value": trial.value}]
        return [_decided(trial, decision)]

    def _settle(self, trial: Trial) -> None:
        """Decide what a killed driver had left open: it wrote a trial's report, and no decision."""
        self._log(*self._verdict(trial, self._judge(trial)))

    # Events

    def _log(self, *events: Event) -> None:
        if events:
            self._stamp_and_apply(list(events))
            self._flush()

    def _stamp_and_apply(self, events: list[Event]) -> None:
        for event in events:
            stamped = {"time": round(self.clock(), 3), **event}
            self._pending.append(stamped)
            self._apply(stamped)

    def _flush(self) -> None:
        events, self._pending = self._pending, []
        self._log_events(events)

    def _apply(self, event: Event) -> None:
        self.history.apply(event)
        kind = event["event"]
        if kind == "resumed":
            self._waiting_numbers = [trial.number for trial in self.history.trials if trial.state == "waiting"]
            self.places.release_all()
        if kind == "started":
            self.places.hold(event["trial"], event["workers"])
        if kind == "exhausted":
            self.scheduler.on_exhausted()
        if kind not in ("suggested", "reported", "decided", "finished", "failed", "handed_back"):
            return
        trial = self.history.trials[event["trial"]]
        if kind == "suggested":
            self._on_suggested(trial)
        elif kind == "reported":
            loss, *more = self.history.losses(trial)
            self.scheduler.on_report(trial.number, trial.epoch, loss, tuple(more))
        elif kind == "decided" and event["decision"] == "resume":
            self.scheduler.on_resume(trial.number, event["epoch"])
        elif kind == "decided" and event["decision"] == "pause":
            self.scheduler.on_pause(trial.number, event["epoch"])
        elif kind == "decided" and "predicted" in event:
            self.scheduler.on_predicted(trial.number, *event["predicted"])
        if trial.state in ENDED:
            self.scheduler.on_end(trial.number)
        left = kind in ("failed", "handed_back") or event.get("decision") == "grow"
        if left or trial.state not in ("running", "waiting"):
            self.places.release(trial.number)
        if trial.state == "waiting":
            heapq.heappush(self._waiting_numbers, trial.number)

    def _on_suggested(self, trial: Trial) -> None:
        if trial.parent is not None:
            self.scheduler.on_heir(trial.number, trial.config, *trial.parent)
        elif not trial.is_default:
            self.scheduler.on_start(trial.number, trial.config)


def _decided(trial: Trial, decision: Decision) -> Event:
    return {
        "event": "decided",
        "trial": trial.number,
        "epoch": trial.epoch,
        "decision": decision.action,
        "why": decision.why,
        **({"predicted": list(decision.predicted)} if decision.predicted else {}),
        **({"workers": decision.workers} if decision.workers else {}),
    }


def versions() -> dict[str, Any]:
    """Versions of Python and of the libraries that a study's outcome depends on."""
    import platform
    from importlib.metadata import version

    packages = ("raise-hpo", "ray", "torch", "optuna", "numpy")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
