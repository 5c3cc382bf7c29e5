"""Hyperband: brackets of synchronous successive halving."""

from __future__ import annotations

import math

from raise_hpo.history import Config, Decision
from raise_hpo.schedule.base import Need, OptionError, Scheduler
from raise_hpo.schedule.rung import Rung, ordinal, places_go_on


class Bracket:
    """A group of trials that are trained stage by stage; from each stage's end the best go on to the next.

    A stage ends when nobody is on the way to its epoch: all have paused there or ended. A trial that ended on the way
    leaves its place to nobody, as if it were the last.

    Args:
        title: What the bracket is called in words.
        trials: How many trials it takes.
        epochs: The epochs at which its stages end, rising; the last one is the end of the training.
        factor: One in so many goes on.
    """

    def __init__(self, title: str, trials: int, epochs: tuple[int, ...], factor: float) -> None:
        self.title = title
        self.free = trials
        self.epochs = epochs
        self.factor = factor
        self.stage = 0
        self.size = trials
        self.rung = Rung(epochs[0])
        self.going: set[int] = set()
        self.paused: set[int] = set()
        self.promoted: dict[int, str] = {}
        self.dropped: dict[int, str] = {}

    @property
    def epoch(self) -> int:
        """The epoch at which the stage ends."""
        return self.epochs[self.stage]

    @property
    def is_last(self) -> bool:
        """Whether this stage is the last one."""
        return self.stage == len(self.epochs) - 1

    @property
    def places(self) -> int:
        """How many of those that began the stage will go on from its end."""
        return 1 if self.is_last else max(1, int(self.size / self.factor))

    @property
    def over(self) -> bool:
        """Whether all trials have ended."""
        return not (self.free or self.going or self.paused or self.dropped)

    def take(self, trial: int) -> None:
        """A new trial joins."""
        self.free -= 1
        self.going.add(trial)

    def close(self) -> None:
        """No more trials will join."""
        if self.free:
            self.size -= self.free
            self.free = 0
            self._settle()

    def report(self, trial: int, epoch: int, loss: float) -> None:
        """Record the loss of a trial that has reached the stage's end."""
        if epoch == self.epoch and trial not in self.rung.losses:
            self.rung.add(trial, loss)

    def pause(self, trial: int) -> None:
        """A trial waits for the others."""
        self.going.discard(trial)
        self.paused.add(trial)
        self._settle()

    def resume(self, trial: int) -> None:
        """A trial that was to go on does."""
        self.promoted.pop(trial, None)

    def end(self, trial: int) -> None:
        """A trial has ended, wherever it was."""
        for waiting in (self.promoted, self.dropped):
            waiting.pop(trial, None)
        self.going.discard(trial)
        self.paused.discard(trial)
        self._settle()

    def _settle(self) -> None:
        """Decide who goes on if nobody is on the way any more."""
        if not (self.free or self.going) and self.paused:
            self._advance()

    def _advance(self) -> None:
        """The best go on to the next stage; the others are given up."""
        ranking = sorted(self.paused, key=self.rung.rank)
        for place, trial in enumerate(ranking, 1):
            words = f"{self.words()}: {ordinal(place)} of {len(ranking)}, {places_go_on(self.places)}"
            (self.promoted if place <= self.places else self.dropped)[trial] = words
        self.paused = set()
        self.going = set(self.promoted)
        self.size = len(self.going)
        self.stage += 1
        self.rung = Rung(self.epoch)

    def words(self) -> str:
        """The bracket and its stage."""
        return f"{self.title}, stage of epoch {self.epoch}"

    def decide(self, trial: int, epoch: int) -> Decision:
        """Pause at the stage's end."""
        if epoch < self.epoch:
            return Decision("continue", f"{self.words()} is ahead")
        others = self.free + len(self.going - {trial})
        waits = f"waits for {others} more" if others else "the last one is here"
        return Decision("pause", f"{self.words()}: {waits}")

    def need(self) -> Need | None:
        """The loss of the last place that goes on, once as many trials have reached the stage's end as go on."""
        loss = self.rung.needs(self.places)
        return None if loss is None else Need(self.epoch, loss)


class Hyperband(Scheduler):
    """Hyperband (Li et al., JMLR 18, 2018, arXiv:1603.06560).

    Brackets of successive halving, from many trials that are compared early to a few that are trained to the end. With
    R epochs at most and a factor of eta, bracket s = s_max, …, 0 begins with ``ceil((s_max + 1) / (s + 1) * eta**s)``
    trials of ``R / eta**s`` epochs. After the last bracket the first one comes again. A stage waits for its slowest
    trial; slots that would idle meanwhile begin the next bracket, as in HpBandSter.

    Args:
        max_epochs: The epoch at which a trial is finished, R.
        min_epochs: No stage ends before.
        reduction_factor: One in so many goes on from a stage, eta; at least 2.
        brackets: How many of the s_max + 1 brackets are used, those with the most trials; all by default.

    Raises:
        UserError: `min_epochs` is not below `max_epochs`, or there are fewer brackets.
    """

    name = "hyperband"

    def __init__(
        self, max_epochs: int, min_epochs: int = 1, reduction_factor: float = 3, brackets: int | None = None
    ) -> None:
        super().__init__(max_epochs)
        if not 1 <= min_epochs < max_epochs:
            raise self._invalid("min_epochs", min_epochs, max_epochs - 1, f"max_epochs is {max_epochs}")
        self.reduction_factor = reduction_factor
        self._ends = _stage_ends(max_epochs, min_epochs, reduction_factor)
        self._cycle = len(self._ends) if brackets is None else brackets
        if not 1 <= self._cycle <= len(self._ends):
            ends = ", ".join(map(str, self._ends))
            raise self._invalid("brackets", brackets, len(self._ends), f"stages may end at the epochs {ends}")
        self._opened = 0
        self._brackets: list[Bracket] = []
        self._of: dict[int, Bracket] = {}

    def _invalid(self, option: str, value: object, most: int, why: str) -> OptionError:
        return OptionError(self.name, option, f"is {value}; valid: 1 to {most} ({why})")

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which stages end, of all brackets, in rising order."""
        return self._ends[:-1]

    def on_start(self, trial: int, config: Config) -> None:
        """The trial joins the bracket that is not full, else the next one."""
        if not (self._brackets and self._brackets[-1].free):
            self._brackets.append(self._open())
        self._of[trial] = self._brackets[-1]
        self._of[trial].take(trial)

    def _open(self) -> Bracket:
        skipped = self._opened % self._cycle
        self._opened += 1
        halvings = len(self._ends) - 1 - skipped
        # What is whole but for rounding must not be rounded up.
        trials = math.ceil(len(self._ends) / (halvings + 1) * self.reduction_factor**halvings - 1e-9)
        return self._bracket(f"{self.name} bracket {self._opened}", trials, self._ends[skipped:])

    def _bracket(self, title: str, trials: int, epochs: tuple[int, ...]) -> Bracket:
        return Bracket(title, trials, epochs, self.reduction_factor)

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record the loss if a stage ends here."""
        if trial in self._of:
            self._of[trial].report(trial, epoch, loss)

    def on_pause(self, trial: int, epoch: int) -> None:
        """The trial waits for the others of its bracket; the last one to come ends the stage."""
        self._of[trial].pause(trial)

    def on_resume(self, trial: int, epoch: int) -> None:
        """The trial goes on."""
        self._of[trial].resume(trial)

    def on_end(self, trial: int) -> None:
        """The trial's bracket waits for it no longer."""
        bracket = self._of.pop(trial, None)
        if bracket is not None:
            bracket.end(trial)
            if bracket.over:
                self._brackets.remove(bracket)

    def on_exhausted(self) -> None:
        """The bracket that is not full goes on with the trials it has."""
        for bracket in self._brackets:
            bracket.close()
        self._brackets = [bracket for bracket in self._brackets if not bracket.over]

    def decide(self, trial: int, epoch: int) -> Decision:
        """Pause at the end of a stage."""
        bracket = self._of.get(trial)
        return bracket.decide(trial, epoch) if bracket else Decision("continue", "in no bracket")

    def resume(self) -> tuple[int, str] | None:
        """The best trial of the oldest bracket that has trials to go on with."""
        return next((item for bracket in self._brackets for item in bracket.promoted.items()), None)

    def give_up(self) -> tuple[int, str] | None:
        """A trial that was not among the best at the end of its stage."""
        return next((item for bracket in self._brackets for item in bracket.dropped.items()), None)

    def need(self, trial: int, epoch: int) -> Need | None:
        """The loss of the last place that goes on from the trial's stage; in the last stage, the best loss."""
        bracket = self._of.get(trial)
        return bracket.need() if bracket else None


class BOHB(Hyperband):
    """The scheduler of BOHB (Falkner et al., ICML 2018, arXiv:1807.01774): Hyperband, with the searcher `bohb`."""

    name = "bohb"


def _stage_ends(max_epochs: int, min_epochs: int, factor: float) -> tuple[int, ...]:
    """The epochs ``max_epochs / factor**k``, rounded, as long as they are not below `min_epochs`, rising."""
    ends = [max_epochs]
    while max_epochs / factor ** len(ends) >= min_epochs * (1 - 1e-9):
        ends.append(round(max_epochs / factor ** len(ends)))
    return tuple(reversed(ends))
