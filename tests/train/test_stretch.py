"""A worker's part of a training: restarts to the bit, what is kept, and when it ends."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from raise_hpo.journal import read
from raise_hpo.train.folder import TrainingFolder
from raise_hpo.trial.failures import TrialFailure

from ..toys import Line
from .stretches import events, order, progress, stretch, tensors


class Falls(Line):
    """Has the losses that it is told to have, and breaks once where it is told to."""

    losses: ClassVar[list[float]] = []
    breaks_at: ClassVar[list[int]] = []

    def train_epoch(self) -> None:
        super().train_epoch()
        if self.breaks_at and self.epoch + 1 == self.breaks_at[0]:
            self.breaks_at.pop(0)
            raise RuntimeError("something in the data")

    def validate(self) -> dict[str, Any]:
        return {"val_loss": self.losses[self.epoch]}


@pytest.fixture
def folder(tmp_path: Path) -> TrainingFolder:
    return made(tmp_path / "a")


def made(path: Path) -> TrainingFolder:
    (path / "trainings" / "training-1").mkdir(parents=True)
    return TrainingFolder(path / "trainings" / "training-1")


def falling(losses: list[float], *breaks_at: int) -> type[Falls]:
    return type("Falling", (Falls,), {"losses": losses, "breaks_at": list(breaks_at)})


def checkpoints(folder: TrainingFolder) -> list[str]:
    return sorted(path.name for path in folder.checkpoints.iterdir())


def test_the_same_training_twice_is_the_same_to_the_bit(tmp_path: Path) -> None:
    one, two = (made(tmp_path / name) for name in "ab")
    for folder in (one, two):
        stretch(order(folder, 4))
    found = [tensors((folder.path / folder.checkpoint(4)).read_bytes()) for folder in (one, two)]
    assert found[0] == found[1]
    assert len(found[0]) > 20


@pytest.mark.parametrize("stops", [[1, 2, 3, 4, 5], [3], [4, 4]])
def test_a_training_that_was_taken_up_again_is_the_uninterrupted_one_to_the_bit(
    tmp_path: Path, stops: list[int]
) -> None:
    straight, broken = made(tmp_path / "straight"), made(tmp_path / "broken")
    stretch(order(straight, 6))
    for session, epochs in enumerate([*stops, 6], 1):
        stretch(order(broken, epochs, session=session))
    final = [tensors((folder.path / folder.checkpoint(6)).read_bytes()) for folder in (straight, broken)]
    assert final[0] == final[1]
    assert progress(broken).values == progress(straight).values
    assert list(progress(broken).values) == [1, 2, 3, 4, 5, 6]


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    one, two = (made(tmp_path / name) for name in "ab")
    stretch(order(one, 1))
    other = order(two, 1)
    stretch(replace(other, spec=replace(other.spec, seed=6)))
    assert progress(one).values != progress(two).values


def test_what_breaks_costs_the_epochs_since_the_last_checkpoint(folder: TrainingFolder) -> None:
    told = order(folder, 8, falling([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 6), every=2)
    with pytest.raises(RuntimeError):
        stretch(told)
    stretch(told)
    trained = Counter(event["epoch"] for event in events(folder, "epoch"))
    assert [event["epoch"] for event in events(folder, "began")] == [0, 4]
    assert trained == {**dict.fromkeys(range(1, 9), 1), 5: 2}
    assert list(progress(folder).values) == list(range(1, 9))


@pytest.mark.parametrize("moment", ["before the checkpoint", "after the checkpoint"])
def test_killed_around_a_checkpoint_nothing_is_missing(
    folder: TrainingFolder, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """An epoch's metrics are never behind its checkpoint, whenever the worker dies."""
    from raise_hpo.train import stretch as module

    write, kills = module.write_whole, []

    def dies(path: Path, raw: bytes) -> None:
        if path.name == "epoch-00003.pt" and not kills:
            kills.append(path)
            if moment == "after the checkpoint":
                write(path, raw)
            raise KeyboardInterrupt
        write(path, raw)

    monkeypatch.setattr(module, "write_whole", dies)
    with pytest.raises(KeyboardInterrupt):
        stretch(order(folder, 5))
    stretch(order(folder, 5))
    assert list(progress(folder).values) == [1, 2, 3, 4, 5]
    assert events(folder, "began")[1]["epoch"] == 2
    values = {}
    for event in events(folder, "epoch"):
        assert values.setdefault(event["epoch"], event["metrics"]["val_loss"]) == event["metrics"]["val_loss"]


def test_the_last_and_the_best_checkpoint_are_kept(folder: TrainingFolder) -> None:
    stretch(order(folder, 7, falling([3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 7.0]), every=3))
    assert checkpoints(folder) == ["epoch-00002.pt", "epoch-00007.pt"]
    assert [event["epoch"] for event in events(folder, "saved")] == [1, 2, 3, 6, 7]


@pytest.mark.parametrize(
    ("mode", "losses", "patience", "last"),
    [
        ("min", [3.0, 2.0, 2.0, 2.5, 1.0, 1.0], 2, 4),
        ("max", [3.0, 2.0, 4.0, 2.5, 1.0, 1.0], 2, 5),
        ("min", [3.0, 2.0, 2.0, 2.5, 1.0, 1.0], 3, 6),
    ],
)
def test_it_stops_when_nothing_gets_better(
    folder: TrainingFolder, mode: str, losses: list[float], patience: int, last: int
) -> None:
    stretch(order(folder, 6, falling(losses), mode=mode, patience=patience))
    [ended] = events(folder, "ended")
    assert progress(folder).epoch == last
    assert ended["state"] == "finished"
    assert ("has not improved" in ended["why"]) == (last < 6)


def test_more_patience_goes_on(folder: TrainingFolder) -> None:
    trainable = falling([3.0, 2.0, 2.0, 2.5, 1.0, 1.0])
    stretch(order(folder, 6, trainable, patience=1))
    assert progress(folder).epoch == 3
    stretch(order(folder, 6, trainable, patience=3, session=2))
    assert list(progress(folder).values) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_no_number_ends_it_and_is_not_kept(folder: TrainingFolder, value: float) -> None:
    stretch(order(folder, 5, falling([2.0, 1.0, value, 0.5, 0.4])))
    [ended] = events(folder, "ended")
    assert (ended["state"], ended["failure"]) == ("failed", "nan")
    assert ended["why"] == f"val_loss is {value} at epoch 3"
    assert checkpoints(folder) == ["epoch-00002.pt"]


def test_an_objective_that_is_not_reported_is_named(folder: TrainingFolder) -> None:
    class Mute(Line):
        def validate(self) -> dict[str, Any]:
            return {"loss": 1.0}

    stretch(order(folder, 5, Mute))
    [ended] = events(folder, "ended")
    assert ended["failure"] == "no_metric"
    assert "loss" in ended["why"] and "not the objective val_loss" in ended["why"]


def test_it_is_given_up_when_it_comes_no_further(folder: TrainingFolder) -> None:
    told = order(folder, 8, falling([1.0] * 8, 3, 3, 5, 5, 5), attempts=3)
    for _ in range(5):
        with pytest.raises(RuntimeError):
            stretch(told)
    stretch(told)
    [ended] = events(folder, "ended")
    assert [event["epoch"] for event in events(folder, "began")] == [0, 2, 2, 4, 4, 4]
    assert ended["why"] == "3 starts in a row came no further than epoch 4"


def test_a_new_session_has_all_attempts_again(folder: TrainingFolder) -> None:
    trainable = falling([1.0] * 4, 3, 3, 3)
    for session, starts in ((1, 2), (2, 1)):
        for _ in range(starts):
            with pytest.raises(RuntimeError):
                stretch(order(folder, 4, trainable, attempts=2, session=session))
    stretch(order(folder, 4, trainable, attempts=2, session=2))
    assert progress(folder).epoch == 4


@pytest.mark.parametrize(("asked", "why"), [("", "stopped on request"), ("the job ends", "the job ends")])
def test_a_request_stops_it_after_the_epoch_with_a_checkpoint(folder: TrainingFolder, asked: str, why: str) -> None:
    class Asked(Line):
        def validate(self) -> dict[str, Any]:
            if self.epoch == 2:
                folder.stop_request.write_text(asked)
            return super().validate()

    stretch(order(folder, 9, Asked, every=5))
    [ended] = events(folder, "ended")
    assert (ended["state"], ended["why"], progress(folder).epoch) == ("stopped", why, 3)
    assert (folder.path / folder.checkpoint(3)).is_file()


def test_a_worker_that_outlives_its_driver_writes_no_more(folder: TrainingFolder) -> None:
    folder.session.write_text("2")
    with pytest.raises(TrialFailure, match="a later driver"):
        stretch(order(folder, 3, session=1))
    assert not events(folder, "epoch")
    stretch(order(folder, 3, session=2))
    assert progress(folder).epoch == 3


def test_a_torn_line_of_the_record_is_dropped(folder: TrainingFolder) -> None:
    stretch(order(folder, 2))
    with folder.epochs.open("ab") as file:
        file.write(b'{"seq":9,"event":"epo')
    stretch(order(folder, 4, session=2))
    assert [event["seq"] for event in read(folder.epochs)] == list(range(len(read(folder.epochs))))
    assert progress(folder).epoch == 4
