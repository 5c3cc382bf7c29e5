"""Population-based training: bad members of a population are replaced by heirs of good ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from raise_hpo.history import Config, Decision
from raise_hpo.schedule.asha import ordinal
from raise_hpo.schedule.base import Heir, OptionError, Scheduler
from raise_hpo.schedule.explore import Explorer, changes, perturbed_names
from raise_hpo.schedule.population import Place, Population, Standing
from raise_hpo.space import SearchSpace


class PBT(Scheduler):
    """Population-based training (Jaderberg et al. 2017, arXiv:1711.09846), asynchronous.

    Pick it where the best values change during a training, such as learning rates and regularisation. Every `interval`
    epochs a member among the worst `quantile` of the population is stopped, and an heir of one among the best takes
    its place: a new trial with a perturbed configuration that starts from that member's last checkpoint.

    Two things differ from the paper. Members are compared at equal epochs, not by their latest losses, so that slow
    ones have no disadvantage. And with fewer slots than members they take turns: a member pauses at an interval's
    end if others wait, and is compared when it is its turn again.

    Args:
        max_epochs: The epoch at which a trial is finished.
        space: The search space.
        seed: The study's seed.
        population: Number of members.
        interval: Epochs from one comparison to the next; a tenth of `max_epochs` if None.
        quantile: The share of the population that is replaced, and that of those who get heirs.
        resample_probability: The chance of a perturbed value to be drawn anew.
        factors: What values are multiplied with otherwise.
        perturb: The dimensions that heirs may change; all those of real numbers if None.

    Raises:
        OptionError: The options do not fit `max_epochs`, each other, or the space.
    """

    name = "pbt"
    uses_space = True

    def __init__(
        self, max_epochs: int, space: SearchSpace, seed: int, population: int = 8, interval: int | None = None,
        quantile: float = 0.25, resample_probability: float = 0.25, factors: Sequence[float] = (0.8, 1.2),
        perturb: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(max_epochs)
        self.interval = _checked_interval(interval, max_epochs, self.name)
        self.space = space
        self.seed = seed
        self.population = population
        self.quantile = quantile
        if not self._share(population):
            least = math.ceil(1000 / population) / 1000
            told = f"is {quantile:g} of a population of {population}, less than one member; valid: {least} to 0.5"
            raise OptionError(self.name, "quantile", told)
        self.names = perturbed_names(space, perturb, self.name)
        self._explorer = Explorer(space, self.names, factors, resample_probability)
        self._members = Population()
        self._closed = False

    @property
    def rungs(self) -> tuple[int, ...]:
        """The ends of the intervals."""
        return tuple(range(self.interval, self.max_epochs, self.interval))

    # What happens

    def on_start(self, trial: int, config: Config) -> None:
        """A new member takes a place that is not taken yet, or one that cannot be inherited."""
        vacant = self._members.vacant()
        if len(self._members.places) < self.population or not vacant:
            self._members.add(trial, config)
        else:
            self._members.fill(vacant[0], trial, config)

    def on_heir(self, trial: int, config: Config, parent: int, epoch: int) -> None:
        """An heir takes the place that it was offered for."""
        place = self._to_inherit()
        assert place is not None, "an heir starts only where one was offered"
        self._members.fill(place, trial, config, parent, epoch)

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:
        """Record a member's loss."""
        place = self._members.get(trial)
        if place is not None:
            place.report(epoch, loss, self._is_rung(epoch))

    def on_pause(self, trial: int, epoch: int) -> None:
        """The member waits for its turn."""
        if (place := self._members.get(trial)) is not None:
            place.state = "paused"

    def on_resume(self, trial: int, epoch: int) -> None:
        """The member has its turn."""
        if (place := self._members.get(trial)) is not None:
            place.state = "running"

    def on_end(self, trial: int) -> None:
        """A member that leaves before its end, by a failure too, leaves its place to an heir."""
        place = self._members.get(trial)
        if place is None:
            return
        if place.epoch >= self.max_epochs:
            place.state = "finished"
        else:
            place.leave()
            place.parent = self._choose_parent(place)

    def on_exhausted(self) -> None:
        """The population stays as small as it is."""
        self._closed = True

    # What is to be done

    def decide(self, trial: int, epoch: int) -> Decision:
        """At an interval's end: pause if others wait for a slot, stop among the worst, else continue."""
        place = self._members.get(trial)
        if place is None or not self._is_rung(epoch):
            return Decision("continue", "between comparisons")
        behind = self._members.first_paused()
        if self.has_room() or (behind is not None and behind.epoch <= epoch):
            return Decision("pause", f"epoch {epoch}: it is the turn of others of the population")
        return self._judge(place, epoch)

    def give_up(self) -> tuple[int, str] | None:
        """The member whose turn it is, if it is among the worst now that others have come as far."""
        place = self._next_paused()
        decision = self._judge(place, place.epoch) if place is not None else None
        return (place.trial, decision.why) if place and decision and decision.action == "stop" else None

    def resume(self) -> tuple[int, str] | None:
        """The member that is furthest behind, once nobody waits to join."""
        place = self._next_paused()
        if place is None or self._to_inherit() is not None:
            return None
        return place.trial, f"its turn; {self._judge(place, place.epoch).why}"

    def heir(self) -> Heir | None:
        """The heir that is to have the first vacant place."""
        place = self._to_inherit()
        if place is None:
            return None
        parent = self._members[self._parent_of(place)]
        return self.offspring(parent, place, np.random.default_rng([self.seed, place.trial, place.epoch]))

    def has_room(self) -> bool:
        """Whether the population is incomplete, and cannot be completed by heirs."""
        if self._closed:
            return False
        founded = any(place.may_be_inherited or place.state == "finished" for place in self._members.places)
        return len(self._members.places) < self.population or (not founded and bool(self._members.vacant()))

    def offspring(self, parent: Place, place: Place, rng: np.random.Generator) -> Heir:
        """The heir of a parent for a vacant place."""
        config = self.explore(parent, rng)
        return Heir(parent.trial, config, f"in place of trial {place.trial}; {changes(parent.config, config)}")

    def explore(self, parent: Place, rng: np.random.Generator) -> Config:
        """An heir's configuration."""
        return self._explorer.explore(parent.config, rng)

    # Comparison

    def _is_rung(self, epoch: int) -> bool:
        return epoch % self.interval == 0 and 0 < epoch < self.max_epochs

    def _judge(self, place: Place, epoch: int) -> Decision:
        """Whether a member is among the worst at an interval's end."""
        if 2 * (epoch - place.start) < self.interval:
            return Decision("continue", f"an heir since epoch {place.start}, not compared before its next interval")
        standing = self._members.standing(place, epoch)
        replaced = self._share(standing.count)
        words = f"{ordinal(standing.rank)} of {standing.count} at epoch {epoch}"
        if standing.rank <= standing.count - replaced:
            return Decision("continue", f"{words}; {_worst_are_replaced(replaced)}")
        parent = self._choose_parent(place)
        if parent is None or not self._is_better(self._members[parent], standing, epoch):
            return Decision("continue", f"{words}; no better one has a checkpoint")
        return Decision("stop", f"exploited: {words}; replaced by an heir of trial {parent}")

    def _share(self, count: int) -> int:
        """How many of so many members are replaced at a time."""
        return int(count * self.quantile + 1e-9)

    def _is_better(self, parent: Place, standing: Standing, epoch: int) -> bool:
        return self._members.standing(parent, epoch).rank < standing.rank

    def _choose_parent(self, place: Place) -> int | None:
        """One of the best members with a checkpoint, drawn at random; None if no member has one."""
        ranked = self._members.ranked(place.epoch or self.max_epochs)
        good = [each for each in ranked if each.may_be_inherited and each is not place]
        best = good[: max(1, self._share(len(ranked)))]
        # Where few have a checkpoint, some of those may be worse than the place itself.
        best = [each for each in best if place in ranked and ranked.index(each) < ranked.index(place)] or best
        rng = np.random.default_rng([self.seed, place.trial, place.epoch, 1])
        return best[int(rng.integers(len(best)))].trial if best else None

    def _parent_of(self, place: Place) -> int:
        """The parent chosen when a place fell vacant, or another one if it has ended since; -1 if there is none."""
        chosen = None if place.parent is None else self._members.get(place.parent)
        if chosen is not None and chosen.trial == place.parent and chosen.may_be_inherited:
            return chosen.trial
        another = self._choose_parent(place)
        return -1 if another is None else another

    def _to_inherit(self) -> Place | None:
        """The first vacant place that an heir can have now."""
        return next((place for place in self._members.vacant() if self._parent_of(place) >= 0), None)

    def _next_paused(self) -> Place | None:
        """The paused member whose turn it is; None as long as new members are to start."""
        return None if self.has_room() else self._members.first_paused()


def _checked_interval(interval: int | None, max_epochs: int, scheduler: str) -> int:
    chosen = max(1, max_epochs // 10) if interval is None else interval
    if chosen >= max_epochs:
        raise OptionError(scheduler, "interval", f"is {chosen}, but must be below max_epochs, which is {max_epochs}")
    return chosen


def _worst_are_replaced(count: int) -> str:
    return {0: "too few to compare", 1: "the worst is replaced"}.get(count, f"the worst {count} are replaced")
