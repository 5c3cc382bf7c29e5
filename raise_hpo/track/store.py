"""The MLflow side: finds or makes the runs of a study and tells them what is new. Telling twice changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.history import History, Trial
from raise_hpo.journal import Event, encode
from raise_hpo.track.batches import batches
from raise_hpo.track.updates import RunUpdate

_JOURNAL, _TRIAL, _STUDY, _EPOCH = "raise_hpo.journal", "raise_hpo.trial", "raise_hpo.study", "raise_hpo.epoch"
_BATCH = 100
# MLflow shows experiments of this kind as trainings; without it, as traces of language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
_FOR_GOOD = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "BAD_REQUEST")

# Our own retries decide when to give up; MLflow's would take minutes. Only the tracking server is told anything.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "DO_NOT_TRACK": "true",
}


class Refused(Exception):
    """MLflow will never take this, however often it is asked."""


class Store:
    """One study in an MLflow store.

    Args:
        folder: The study's folder.
        uri: The tracking URI.
        study: The journal's first event, which names the study and, hashed, identifies it.
    """

    def __init__(self, folder: StudyFolder, uri: str, study: Event) -> None:
        self.folder = folder
        self.uri = uri
        self.name = study["name"]
        self.experiment_name = study["study"]["name"]
        self.identity = sha256(encode(study)).hexdigest()[:16]
        self._client: Any = None
        self._experiment = ""
        self._runs: dict[int | None, str] = {}

    def forget(self) -> None:
        """After an error: look up anew what there is, as the last call may have come through or not."""
        self._client = None

    def run(self) -> str | None:
        """The id of the study's own run, or None if there is none yet."""
        self._connect()
        return self._runs.get(None)

    def send(self, updates: Iterable[RunUpdate]) -> list[str]:
        """Tell the runs; the refusals, in words.

        Raises:
            Exception: The store cannot be reached or used now; try again later.
        """
        self._connect()
        refusals = []
        for update in updates:
            try:
                self._tell(update)
            except Refused as refusal:
                refusals.append(f"{update.name}: {refusal}")
        return refusals

    def _connect(self) -> None:
        if self._client is not None:
            return
        client = _quiet_client(self.uri)
        found = client.get_experiment_by_name(self.experiment_name)
        if found and found.lifecycle_stage == "deleted":
            raise UserError(
                f"experiment '{self.experiment_name}' was deleted in MLflow at {self.uri}: restore it there"
            )
        self._experiment = found.experiment_id if found else self._create_experiment(client)
        self._runs = {}
        for run in self._search(client):
            trial = run.data.tags.get(_TRIAL)
            self._runs.setdefault(int(trial) if trial is not None else None, run.info.run_id)
        self._client = client

    def _create_experiment(self, client: Any) -> str:
        location = None if self.uri.startswith("http") else artifact_root(self.folder, self.uri).as_uri()
        made = client.create_experiment(self.experiment_name, artifact_location=location, tags=_EXPERIMENT_TAGS)
        return str(made)

    def _search(self, client: Any) -> Iterator[Any]:
        from mlflow.entities import ViewType

        token = None
        while True:
            page = client.search_runs(
                [self._experiment], f"tags.`{_JOURNAL}` = '{self.identity}'", ViewType.ALL, 1000,
                ["attributes.start_time ASC"], token,
            )  # fmt: skip
            yield from page
            token = page.token
            if not token:
                return

    def _tell(self, update: RunUpdate) -> None:
        from mlflow.exceptions import MlflowException

        try:
            run = self._runs.get(update.trial) or self._create_run(update)
            self._log(run, update)
            if update.ended is not None:
                self._client.set_terminated(run, update.status, update.ended)
            elif update.status is not None:
                self._client.update_run(run, status=update.status)
        except MlflowException as error:
            if error.error_code in _FOR_GOOD:
                raise Refused(str(error).splitlines()[0]) from error
            raise

    def _create_run(self, update: RunUpdate) -> str:
        tags = {_JOURNAL: self.identity, _STUDY: self.name, "mlflow.source.name": "raise-hpo"}
        if update.trial is not None:
            tags |= {_TRIAL: str(update.trial), "mlflow.parentRunId": self._runs[None]}
        run = self._client.create_run(self._experiment, update.began, tags, update.name)
        self._runs[update.trial] = run.info.run_id
        return str(run.info.run_id)

    def _log(self, run: str, update: RunUpdate) -> None:
        from mlflow.entities import Metric, Param, RunTag

        tags = [RunTag(key, value) for key, value in update.tags.items()]
        if tags:
            self._client.log_batch(run, tags=tags)
        for params in batches(update.params.items(), _BATCH):
            self._client.log_batch(run, params=[Param(key, value) for key, value in params])
        for metrics in batches(update.metrics, _BATCH):
            self._client.log_batch(run, metrics=[Metric(*metric) for metric in metrics])

    def close(self, history: History) -> None:
        """Add what a study leaves: its report and study file, and the best model, registered.

        Raises:
            Exception: The store cannot be reached or used now; try again later.
        """
        self._connect()
        for path in (self.folder.report, self.folder.study_file, self.folder.best / "config.yaml"):
            if path.exists():
                self._client.log_artifact(self._runs[None], str(path))
        best, checkpoint = history.best(), self.folder.best / "checkpoint.pt"
        if best is not None and checkpoint.exists():
            self._client.log_artifact(self._runs[best.number], str(checkpoint), "checkpoint")
            if self.folder.figures_page.exists():
                self._client.log_artifact(self._runs[best.number], str(self.folder.figures_page))
            self._register(best, history)

    def _register(self, best: Trial, history: History) -> None:
        """One model a study name; one version for each (trial, epoch) that was the best when a driver ended."""
        run = self._runs[best.number]
        if not self._client.search_registered_models(f"name = '{self.experiment_name}'"):
            self._client.create_registered_model(self.experiment_name)
        versions = self._client.search_model_versions(f"run_id = '{run}'")
        if any(version.tags.get(_EPOCH) == str(best.epoch) for version in versions):
            return
        what = f"{history.metric} {best.value:.6g} at epoch {best.epoch} of trial {best.number}, study {self.name}"
        self._client.create_model_version(
            self.experiment_name,
            f"{self._client.get_run(run).info.artifact_uri}/checkpoint",
            run,
            {_STUDY: self.name, _TRIAL: str(best.number), _EPOCH: str(best.epoch)},
            description=what,
        )


def artifact_root(folder: StudyFolder, uri: str) -> Path:
    """Where files go beside a database: next to an SQLite file, else in the study's folder."""
    database = Path(uri.removeprefix("sqlite:///"))
    home = database.parent if uri.startswith("sqlite:///") else folder.path
    return home.resolve() / "mlartifacts"


def _quiet_client(uri: str) -> Any:
    os.environ.update(SETTINGS)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)
