"""What every scheduler must keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from raise_hpo.schedule import Scheduler
from raise_hpo.space import SearchSpace
from raise_hpo.testing.play import SPACE, Play, make_call

_MAX_EPOCHS = 9


class SchedulerContract(ABC):
    """Subclass, and return the scheduler from `make`."""

    stops_between_rungs = False
    """Whether the scheduler may stop a trial at any epoch; a rule without rungs does."""

    trusts_predictions = False
    """Whether the scheduler acts upon predictions that nothing has proved; it may then lose the best trial at times."""

    @abstractmethod
    def make(self, max_epochs: int) -> Scheduler:
        """The scheduler under test."""

    def space(self) -> SearchSpace:
        """The search space of the checks."""
        return SearchSpace.parse(SPACE)

    def play(self, seed: int, **how: Any) -> Play:
        """Play a whole study against a new scheduler."""
        return Play(self.make(_MAX_EPOCHS), seed, _MAX_EPOCHS, **how).run()

    def test_same_reports_same_decisions(self) -> None:
        """Decisions depend on what was reported alone."""
        first, second = (self.play(1, breaking=0.02) for _ in range(2))
        assert first.verdicts == second.verdicts

    def test_replaying_gives_the_same_answers(self) -> None:
        """A scheduler that is told again what happened answers as the one it happened to, at any point.

        The first was asked after every call and the second only now: asking changes nothing.
        """
        play = self.play(2, breaking=0.02, default=True)
        for cut in range(0, len(play.calls), 3):
            replayed = self.make(_MAX_EPOCHS)
            for call in play.calls[: cut + 1]:
                make_call(replayed, call)
            for question, answer in play.answers[cut]:
                assert make_call(replayed, question) == answer, (cut, question)

    def test_rungs_lie_within_the_training(self) -> None:
        """Rungs rise, and the last epoch is none."""
        rungs = self.make(_MAX_EPOCHS).rungs
        assert list(rungs) == sorted(set(rungs))
        assert set(rungs) <= set(range(1, _MAX_EPOCHS))

    def test_decides_at_rungs(self) -> None:
        """Trials pause only at rungs, where their checkpoints are; stops elsewhere are a matter of the rule."""
        play = self.play(3)
        between = [verdict for verdict in play.verdicts if verdict.epoch not in play.scheduler.rungs]
        assert not any(verdict.action in ("pause", "resume") for verdict in between)
        assert self.stops_between_rungs or not any(verdict.action == "stop" for verdict in between)

    def test_the_best_trial_gets_to_the_end(self) -> None:
        """A trial better than all others at every epoch is trained to the end, whenever it starts."""
        lost = []
        for best in (0, 7, 16, 29):
            for slots in (1, 4):
                play = self.play(4, best=best, slots=slots)
                if best < play.begun and best not in play.ended("finish"):
                    lost.append((best, slots))
        assert not lost or (self.trusts_predictions and len(lost) <= 2), lost

    def test_a_study_never_starves(self) -> None:
        """Some trials get to the end, with any number of slots."""
        for seed in range(5):
            for slots in (1, 3, 8, 40):
                assert self.play(seed, slots=slots).ended("finish"), (seed, slots)

    def test_what_runs_ends_or_waits(self) -> None:
        """No trial is lost: each has ended or is paused when there is nothing more to run."""
        play = self.play(5, breaking=0.05, default=True)
        ended = play.ended("finish") | play.ended("stop") | play.ended("fail")
        assert ended | set(play.paused) == set(range(play.begun))
        assert ended.isdisjoint(play.paused)

    def test_says_why(self) -> None:
        """Every decision has words."""
        assert all(verdict.why for verdict in self.play(6).verdicts)

    def test_an_ended_trial_is_not_resumed(self) -> None:
        """What has ended stays ended."""
        play = self.play(7, trials=20)
        for trial in play.paused:
            play.scheduler.on_end(trial)
        assert play.scheduler.resume() is None
        assert play.scheduler.give_up() is None

    def test_the_default_configuration_needs_no_announcement(self) -> None:
        """The default configuration reports to the end though it was never announced; the others are decided upon."""
        play = self.play(8, default=True)
        assert 0 in play.ended("finish")
        assert len(play.ended("finish")) > 1
