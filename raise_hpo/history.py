"""What happened in a study so far: the fold of its journal's events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from raise_hpo.journal import Event
from raise_hpo.pareto import first_front
from raise_hpo.workers import from_rung

TrialState = Literal["waiting", "running", "paused", "finished", "stopped", "failed"]
ENDED: tuple[TrialState, ...] = ("finished", "stopped", "failed")

Config = dict[str, Any]


@dataclass
class Decision:
    """What becomes of a trial after a report: ``continue``, ``grow``, ``pause``, ``stop`` or, once paused, ``resume``.

    A trial that grows ends its stay and goes on in one with more workers. A stop by prediction knows the epoch and the
    loss that were predicted.
    """

    action: Literal["continue", "grow", "pause", "stop", "resume"]
    why: str
    predicted: tuple[int, float] | None = None
    workers: int | None = None


@dataclass
class Stay:
    """One stretch of a trial on one slot, from its start or resume there until it ended, paused, failed or broke off.

    Times are seconds since the epoch; `first_batch` is when training began, after the model was built.
    """

    node: str
    slot: str
    attempt: int
    workers: int
    epoch: int
    began: float
    ended: float
    first_batch: float | None = None


@dataclass
class Trial:
    """One configuration's record.

    Attributes:
        number: The trial's number, from 0.
        config: The suggested values, flat, with dotted keys.
        source: Who suggested it: a searcher's name, or ``default``.
        values: The objective's value at each reported epoch (epochs count from 1).
        metrics: All metrics of each reported epoch.
        checkpoint: Epoch and path (relative to the study's folder) of the last checkpoint.
        parent: The trial from whose checkpoint this one starts, and at which epoch; None unless it is an heir.
        inherits: Whether `checkpoint` is the parent's still.
        mate: A second trial whose weights this one takes on in part, and at which epoch.
        mate_checkpoint: The path of that trial's checkpoint then; None once this one has a checkpoint of its own.
        mutation: How much noise the inherited weights get, see `raise_hpo.trial.breed`.
        workers: The number of workers that was decided last; None while it is that of the study file.
    """

    number: int
    config: Config
    source: str
    suggested_at: float = 0.0
    parent: tuple[int, int] | None = None
    inherits: bool = False
    mate: tuple[int, int] | None = None
    mate_checkpoint: str | None = None
    mutation: float = 0.0
    state: TrialState = "waiting"
    values: dict[int, float] = field(default_factory=dict)
    metrics: dict[int, Mapping[str, float]] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)
    stays: list[Stay] = field(default_factory=list)
    checkpoint: tuple[int, str] | None = None
    attempt: int = 1
    workers: int | None = None
    failure: tuple[str, str] | None = None

    @property
    def epoch(self) -> int:
        """The last reported epoch; 0 before the first."""
        return next(reversed(self.values), 0)

    @property
    def value(self) -> float | None:
        """The objective's value at the last reported epoch."""
        return self.values[self.epoch] if self.values else None

    @property
    def files(self) -> list[str]:
        """The checkpoints that the trial goes on from: its last one, or those of its parent and its mate."""
        return [path for path in (self.checkpoint and self.checkpoint[1], self.mate_checkpoint) if path]

    @property
    def is_default(self) -> bool:
        """Whether this trial runs the default configuration, the yardstick of the study."""
        return self.source == "default"

    @property
    def why(self) -> str:
        """The last words said about the trial: a failure's cause, or the last decision's reason."""
        if self.failure:
            return f"{self.failure[0]}: {self.failure[1]}"
        return self.decisions[max(self.decisions)].why if self.decisions else ""


class History:
    """A study's trials and state, folded from events by `apply`, one by one, in the journal's order.

    Attributes:
        study: The resolved study file, as in the journal's first event.
        metric: The primary objective's metric; `mode` is its mode.
        objectives: Metric and mode of each objective, the primary one first.
        trials: The trials; a trial's number is its index.
        state: ``running`` from the start or a resume on, then how the driver stopped: ``finished``, ``stopped``,
            ``interrupted`` or ``failed``.
        reports: Trial and epoch of every report, in the order in which they came.
        guards: For a rung and an epoch before it, the predictor that was used last, and the rank correlations that say
            why (see `raise_hpo.predict.base.Guard`).
        exhausted: How many trials were suggested when no new ones were to come; None as long as there are.
        heirs: How many trials started from another one's checkpoint.
        sharing: For each checkpoint's path how many trials go on from it.
        slots: Trials at a time, with the workers that they start with.
        places: Workers at a time.
        nodes: The nodes of the cluster as last told; None where nobody told.
        excluded: Nodes that got no trials any more, and why.
        seconds: Time that a driver was at work, over all sessions.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.study: dict[str, Any] = {}
        self.name = ""
        self.mode: Literal["min", "max"] = "min"
        self.max_epochs = 1
        self.metric = ""
        self.objectives: list[tuple[str, Literal["min", "max"]]] = []
        self.trials: list[Trial] = []
        self.state = "new"
        self.why = ""
        self.reports: list[tuple[int, int]] = []
        self.exhausted: int | None = None
        self.guards: dict[tuple[int, int], dict[str, Any]] = {}
        self.heirs = 0
        self.sharing: Counter[str] = Counter()
        self.decisions: Counter[str] = Counter()
        self.sessions: list[list[float]] = []
        self.slots = 1
        self.places = 1
        self.nodes: list[str] | None = None
        self.excluded: dict[str, str] = {}
        self._place_seconds = 0.0
        self.last_seq = -1
        for event in events:
            self.apply(event)

    @property
    def seconds(self) -> float:
        """Wall time in which a driver was at work, summed over the study's sessions."""
        return sum(end - begin for begin, end in self.sessions)

    def loss(self, value: float) -> float:
        """An objective's value as something to make small, whatever the objective's mode."""
        return value if self.mode == "min" else -value

    @property
    def epochs(self) -> int:
        """Reported epochs over all trials."""
        return len(self.reports)

    @property
    def suggested(self) -> int:
        """The trials that the searcher has suggested, the default configuration's included; all but the heirs."""
        return len(self.trials) - self.heirs

    def best(self) -> Trial | None:
        """The best trial: of those that went furthest (finished ones, as a rule), the one with the best last value.

        Values of different epochs are not compared, so that a trial stopped early cannot win by an early value.
        """
        return min(self.furthest(), key=lambda trial: self.loss(trial.values[trial.epoch]), default=None)

    def furthest(self) -> list[Trial]:
        """The trials that went furthest, whose last values can be compared; failed ones left out."""
        scored = [trial for trial in self.trials if trial.values and trial.state != "failed"]
        furthest = max((trial.epoch for trial in scored), default=0)
        return [trial for trial in scored if trial.epoch == furthest]

    def losses(self, trial: Trial, epoch: int | None = None) -> tuple[float, ...]:
        """A trial's values in all objectives at an epoch (the last one if not given) as something to make small."""
        metrics = trial.metrics[trial.epoch if epoch is None else epoch]
        return tuple(metrics[name] if mode == "min" else -metrics[name] for name, mode in self.objectives)

    def objective_values(self, trial: Trial) -> dict[str, float]:
        """A trial's last value of each objective's metric, the primary one first."""
        return {metric: trial.metrics[trial.epoch][metric] for metric, _ in self.objectives}

    def front(self) -> list[Trial]:
        """The Pareto front: of the trials that went furthest, those that no other one dominates.

        A trial dominates another if it is as good in every objective and better in one. Sorted by the primary
        objective, the best first. With one objective, the best trial and its equals.
        """
        there = self.furthest()
        return [there[index] for index in first_front([self.losses(trial) for trial in there])]

    def default(self) -> Trial | None:
        """The trial of the default configuration, if the study runs one."""
        return next((trial for trial in self.trials if trial.is_default), None)

    def counts(self) -> dict[str, int]:
        """Number of trials in each state, and ``total``."""
        found = Counter(trial.state for trial in self.trials)
        return {
            "total": len(self.trials),
            **{state: found[state] for state in ("waiting", "running", "paused", *ENDED)},
        }

    def busy_fraction(self) -> float:
        """Share of the places' time in which a trial was on them, building or training (0-1)."""
        stays = [stay for trial in self.trials for stay in trial.stays]
        busy = sum((stay.ended - stay.began) * stay.workers for stay in stays)
        return min(1.0, busy / self._place_seconds) if self._place_seconds > 0 else 0.0

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        places = self.places
        getattr(self, f"_on_{event['event']}")(event)
        self.last_seq = event.get("seq", self.last_seq + 1)
        if self.sessions and "time" in event:
            self._place_seconds += max(0.0, event["time"] - self.sessions[-1][1]) * places
            self.sessions[-1][1] = event["time"]

    def _on_study(self, event: Event) -> None:
        self.study = event["study"]
        self.name = event["name"]
        written = self.study["objective"]
        several = written if isinstance(written, list) else [written]
        self.objectives = [(objective["metric"], objective["mode"]) for objective in several]
        self.metric, self.mode = self.objectives[0]
        self.max_epochs = self.study["max_epochs"]
        self._begin_session(event)

    def _begin_session(self, event: Event) -> None:
        self.state, self.why = "running", ""
        self._have_slots(event)
        self.nodes = None
        time = event.get("time", 0.0)
        self.sessions.append([time, time])

    def _have_slots(self, event: Event) -> None:
        """How many trials and workers can run now; where trials have a fixed number, only the former is told."""
        self.slots = event.get("slots", self.slots)
        written = self.study.get("resources", {}).get("workers", 1)
        self.places = event.get("places", self.slots * from_rung(written, 0))

    def _on_suggested(self, event: Event) -> None:
        self.trials.append(
            Trial(
                number=event["trial"],
                config=event["config"],
                source=event["source"],
                suggested_at=event.get("time", 0.0),
            )
        )
        if "parent" in event:
            self._inherit(self.trials[-1], event["parent"])

    def _inherit(self, heir: Trial, parent: Mapping[str, Any]) -> None:
        """An heir's first checkpoint is its parent's last; with a mate, it goes on from that one's, too."""
        heir.parent, heir.inherits = (parent["trial"], parent["epoch"]), True
        heir.mutation = parent.get("mutation", 0.0)
        mate = parent.get("mate")
        if mate is not None:
            heir.mate = (mate["trial"], mate["epoch"])
        known = self.trials[mate["trial"]].checkpoint if mate else None
        self._save(heir, self.trials[parent["trial"]].checkpoint, known[1] if known else None)
        self.heirs += 1

    def _save(self, trial: Trial, checkpoint: tuple[int, str] | None, mates: str | None = None) -> None:
        before = trial.files
        trial.checkpoint, trial.mate_checkpoint = checkpoint, mates
        self.sharing.update(trial.files)
        self.sharing.subtract(before)
        for path in before:
            if not self.sharing[path]:
                del self.sharing[path]

    def _on_started(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        trial.state = "running"
        began = float(event["began"])
        trial.stays.append(
            Stay(
                node=event["node"], slot=event["slot"], attempt=event["attempt"], workers=event["workers"],
                epoch=event["epoch"], began=began, ended=float(event.get("time", began)),
            )
        )  # fmt: skip

    def _touch(self, trial: Trial, event: Event) -> None:
        if trial.stays:
            trial.stays[-1].ended = event.get("time", trial.stays[-1].ended)

    def _on_reported(self, event: Event) -> None:
        trial, epoch = self.trials[event["trial"]], event["epoch"]
        metrics = {name: float(value) for name, value in event["metrics"].items()}
        trial.metrics[epoch] = metrics
        trial.values[epoch] = metrics[self.metric]
        trial.times[epoch] = event.get("time", 0.0)
        if trial.stays and trial.stays[-1].first_batch is None:
            trial.stays[-1].first_batch = event.get("first_batch")
        self._touch(trial, event)
        self.reports.append((trial.number, epoch))

    def _on_checkpointed(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        trial.inherits = False
        self._save(trial, (event["epoch"], event["path"]))

    def _on_decided(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        decision = Decision(event["decision"], event["why"], workers=event.get("workers"))
        trial.decisions[event["epoch"]] = decision
        self.decisions[decision.action] += 1
        following: dict[str, TrialState] = {
            "pause": "paused", "stop": "stopped", "resume": "waiting", "grow": "waiting",
        }  # fmt: skip
        trial.workers = decision.workers or trial.workers
        trial.state = following.get(decision.action, trial.state)

    def _on_finished(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        trial.state = "finished"
        self._touch(trial, event)

    def _on_failed(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        self._touch(trial, event)
        if event["retry"]:
            trial.attempt = event["attempt"] + 1
            trial.state = "waiting"
        else:
            trial.state = "failed"
            trial.failure = (event["kind"], event["cause"])

    def _on_guarded(self, event: Event) -> None:
        kept = ("rung", "epoch", "predictor", "rank", "last", "curves")
        self.guards[event["rung"], event["epoch"]] = {name: event[name] for name in kept}

    def _on_exhausted(self, event: Event) -> None:
        self.exhausted = self.suggested

    def _on_capacity(self, event: Event) -> None:
        self._have_slots(event)
        self.nodes = list(event["nodes"])

    def _on_excluded(self, event: Event) -> None:
        self.excluded[event["node"]] = event["why"]

    def _on_handed_back(self, event: Event) -> None:
        trial = self.trials[event["trial"]]
        trial.state = "waiting"
        self._touch(trial, event)

    def _on_stopped(self, event: Event) -> None:
        self.state, self.why = event["state"], event["why"]

    def _on_resumed(self, event: Event) -> None:
        self._begin_session(event)
        for trial in self.trials:
            if trial.state == "running":
                trial.state = "waiting"
