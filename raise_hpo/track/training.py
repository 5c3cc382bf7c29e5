"""A training in MLflow: one run in its study's experiment, tagged with the study's run and the trial that it is of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.track.cursor import Cursor
from raise_hpo.track.store import Store
from raise_hpo.track.updates import RunUpdate, Translator, metric_name


class TrainingTranslator(Translator):
    """Folds a training's journal, which is a study's with one trial, into one run."""

    def updates(self, events: Iterable[Event]) -> list[RunUpdate]:
        """Take events in; the training's run learns what a study's run and its trial's would."""
        listed = list(events)
        made = super().updates(listed)
        if not made:
            return []
        merged = RunUpdate(None, self.history.name, made[0].began)
        for update in made:
            merged.params |= update.params
            merged.tags |= update.tags
            merged.metrics += update.metrics
            if update.trial is None:
                merged.status, merged.ended = update.status, update.ended
        for event in listed:
            merged.tags |= _link(event) if event["event"] == "study" else {}
        return [merged]

    def left_open(self) -> list[RunUpdate]:
        """What to tell of a training whose driver died without a word."""
        return super().left_open()[:1]

    def _tell_best(self, event: Event, update: RunUpdate) -> None:
        """The best value so far, whenever there is a better one."""
        value = self.history.trials[0].values[event["epoch"]]
        if self._best is not None and not self.history.loss(value) < self.history.loss(self._best):
            return
        self._best = value
        time = round(event.get("time", 0.0) * 1000)
        update.metrics.append((metric_name(f"best_{self.history.metric}"), float(value), time, event["epoch"]))


def _link(event: Event) -> dict[str, str]:
    """The tags that lead from a training to its study."""
    training = event["training"]
    found = {"raise_hpo.training": event["name"], "raise_hpo.config_from": training["source"]}
    if training["run"] is not None:
        parent = StudyFolder(Path(training["run"]))
        found["raise_hpo.of_study"] = parent.name
        if run := Cursor.load(parent).run:
            found["raise_hpo.of_run"] = run
    if training["trial"] is not None:
        found["raise_hpo.of_trial"] = str(training["trial"])
    return found


class TrainingStore(Store):
    """One training in an MLflow store."""

    def close(self, history: History) -> None:
        """Add what a training leaves: its study file, its configuration, the best checkpoint and figures.

        Raises:
            Exception: The store cannot be reached or used now; try again later.
        """
        self._connect()
        for path, place in (
            (self.folder.report, None),
            (self.folder.study_file, None),
            (self.folder.best / "config.yaml", None),
            (self.folder.best / "checkpoint.pt", "checkpoint"),
            (self.folder.figures_page, None),
        ):
            if path.exists():
                self._client.log_artifact(self._runs[None], str(path), place)
