"""What a scheduler is: an object that decides, at each report, whether a trial goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from raise_hpo.errors import UserError
from raise_hpo.history import Config, Decision


class OptionError(UserError):
    """An option of a scheduler does not fit the study.

    Attributes:
        option: The option.
        text: What is wrong and what would be valid, to be read after the option's name.
    """

    def __init__(self, scheduler: str, option: str, text: str) -> None:
        super().__init__(f"scheduler.{scheduler}.{option} {text}")
        self.option = option
        self.text = text


@dataclass(frozen=True)
class Heir:
    """A trial to start from the last checkpoint of another one that has not ended, with a configuration of its own.

    Attributes:
        parent: The other trial.
        config: The configuration.
        why: Why, in words.
        mate: A second trial from whose last checkpoint a part of the weights is taken.
        mutation: How much noise the weights get, as a share of their root mean square.
    """

    parent: int
    config: Config
    why: str
    mate: int | None = None
    mutation: float = 0.0


@dataclass(frozen=True)
class Need:
    """What a trial will have to show next: at the epoch `rung` a loss of at most `loss`, as things stand."""

    rung: int
    loss: float


class Scheduler(ABC):
    """Decides which trials go on. Losses are given so that smaller is better, whatever the objective's mode.

    A scheduler learns of everything through the ``on_...`` methods, which change its state and decide nothing, and is
    asked through the other methods, which decide and change nothing. Replaying a journal is calling the former. The
    default configuration, which always trains to the end, is reported but not announced by `on_start`.

    Args:
        max_epochs: The epoch at which a trial is finished.
    """

    name: str
    uses_space: ClassVar[bool] = False
    """Whether the constructor also takes ``space`` and ``seed``, to make configurations or to learn from them."""

    def __init__(self, max_epochs: int) -> None:
        self.max_epochs = max_epochs

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which trials are compared, rising. Trials pause only there, and checkpoints are made there."""
        return ()

    def on_start(self, trial: int, config: Config) -> None:  # noqa: B027
        """A trial was suggested and will run."""

    def on_heir(self, trial: int, config: Config, parent: int, epoch: int) -> None:  # noqa: B027
        """The heir that `heir` has offered will run, as this trial, from the checkpoint of its parent's `epoch`."""

    def on_report(self, trial: int, epoch: int, loss: float, more: tuple[float, ...] = ()) -> None:  # noqa: B027
        """A trial has reported an epoch's loss, and those of the further objectives if the study has any."""

    def on_resume(self, trial: int, epoch: int) -> None:  # noqa: B027
        """A trial paused at `epoch` goes on."""

    def on_pause(self, trial: int, epoch: int) -> None:  # noqa: B027
        """A trial pauses at `epoch`."""

    def on_predicted(self, trial: int, epoch: int, loss: float) -> None:  # noqa: B027
        """A trial is stopped because it is predicted to have this loss at a later epoch, which is not good enough."""

    def on_end(self, trial: int) -> None:  # noqa: B027
        """A trial has finished, stopped or failed for good."""

    def on_exhausted(self) -> None:  # noqa: B027
        """No new trial will start any more: what is incomplete for want of trials will stay so."""

    @abstractmethod
    def decide(self, trial: int, epoch: int) -> Decision:
        """What becomes of a trial after the report it has just made (told by `on_report` before)."""

    def resume(self) -> tuple[int, str] | None:
        """A paused trial that should go on now, and why, in words; None if there is none."""
        return None

    def give_up(self) -> tuple[int, str] | None:
        """A paused trial that will never go on, and why, in words; None if there is none."""
        return None

    def heir(self) -> Heir | None:
        """A trial that should start from another one's checkpoint now; None if there is none."""
        return None

    def has_room(self) -> bool:
        """Whether a new configuration may start now."""
        return True

    def need(self, trial: int, epoch: int) -> Need | None:
        """What a running trial needs at its next rung; None while too little is known to say."""
        return None
