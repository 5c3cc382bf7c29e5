"""What a scheduler is: an object that decides, at each report, whether a trial goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod

from raise_hpo.history import Decision


class Scheduler(ABC):
    """Decides which trials go on. Losses are given so that smaller is better, whatever the objective's mode.

    A scheduler learns of everything through the ``on_...`` methods, which change its state and decide nothing, and is
    asked through `decide` and `resume`, which decide and change nothing. Replaying a journal is calling the former.

    Args:
        max_epochs: The epoch at which a trial is finished.
    """

    name: str

    def __init__(self, max_epochs: int) -> None:
        self.max_epochs = max_epochs

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which `decide` may answer anything but ``continue``, rising; checkpoints are made there."""
        return ()

    def on_report(self, trial: int, epoch: int, loss: float) -> None:  # noqa: B027
        """A trial has reported an epoch's loss."""

    def on_resume(self, trial: int, epoch: int) -> None:  # noqa: B027
        """A trial paused at `epoch` goes on."""

    def on_pause(self, trial: int, epoch: int) -> None:  # noqa: B027
        """A trial pauses at `epoch`."""

    def on_end(self, trial: int) -> None:  # noqa: B027
        """A trial has finished, stopped or failed for good."""

    @abstractmethod
    def decide(self, trial: int, epoch: int) -> Decision:
        """What becomes of a trial after the report it has just made (told by `on_report` before)."""

    def resume(self) -> tuple[int, str] | None:
        """A paused trial that should go on now, and why, in words; None if there is none."""
        return None
