"""Histories made by hand or by a searcher, without a study."""

from collections.abc import Callable, Sequence

from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.search import Searcher
from raise_hpo.testing.searchers import study_event


def history(max_epochs: int = 1) -> History:
    return History([study_event(max_epochs)])


def add(told: History, config: Config, losses: Sequence[float], state: str = "stop", time: float | None = None) -> None:
    """A trial that reports these losses, epoch by epoch, and then is in this state, at a time that is its number."""
    number = len(told.trials)
    at = {"trial": number, "time": float(number if time is None else time)}
    events: list[Event] = [{"event": "suggested", "config": config, "source": "test", **at}]
    events += [
        {"event": "reported", "epoch": epoch, "metrics": {"val_loss": loss}, **at}
        for epoch, loss in enumerate(losses, 1)
    ]
    if state == "failed":
        events.append({"event": "failed", "kind": "nan", "cause": "nan", "attempt": 1, "retry": False, **at})
    elif len(losses) == told.max_epochs:
        events.append({"event": "finished", "value": losses[-1], **at})
    elif state != "running":
        events.append({"event": "decided", "epoch": len(losses), "decision": state, "why": "test", **at})
    for event in events:
        told.apply(event)


def run(searcher: Searcher, loss: Callable[[Config], float], trials: int) -> History:
    """A study of so many trials of one epoch, one after the other."""
    told = history()
    for number in range(trials):
        config = searcher.suggest(number, told)
        assert config is not None
        add(told, config, [loss(config)])
    return told
