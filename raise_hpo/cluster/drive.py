"""The driver of a job's study or training: ``python -m raise_hpo.cluster.drive``, run by ``slurm/ray_cluster.sh``.

It waits until the job's nodes have joined and no other job drives the same, runs it, and pauses it when the batch
script says that the job is about to end: what is trained ends its epoch and is checkpointed, or is left at its last
checkpoint if the time does not suffice.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from raise_hpo.cluster import exits
from raise_hpo.cluster.hosted import stop_hosted, wait_for_hosted
from raise_hpo.cluster.job import Setting, all_jobs, read_endpoint, say
from raise_hpo.drive.cluster import AttachedRay, wait_for_nodes
from raise_hpo.errors import UserError
from raise_hpo.history import History
from raise_hpo.session import Session
from raise_hpo.train.folder import TrainingFolder

_TIME_TO_CLOSE = 60.0
_LOOK_SECONDS = 0.5


class NodesMissing(UserError):
    """Not all nodes joined, and all are required."""


class JobRay(AttachedRay):
    """The job's cluster, once its nodes have joined or the time for it is over.

    Args:
        setting: What the batch script exported.
        expected: The names of the job's nodes.

    Raises:
        NodesMissing: Some have not joined in time, and all are required.
    """

    def __init__(self, setting: Setting, expected: list[str]) -> None:
        endpoint = read_endpoint(setting.run)
        if endpoint is None:
            raise UserError(f"{setting.run.address} is missing: the job's Ray head is not up")
        super().__init__(endpoint.address, Path(endpoint.folder))
        self.setting = setting
        self.expected = expected
        self.missing: list[str] = []

    def __enter__(self) -> JobRay:
        super().__enter__()
        began = time.monotonic()
        try:
            self.missing = wait_for_nodes(self.expected, self.setting.join_seconds)
            if self.missing:
                self._report(self.missing)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        joined = len(self.expected) - len(self.missing)
        say(f"{joined} of {len(self.expected)} nodes are up after {time.monotonic() - began:.0f} s")
        return self

    def _report(self, missing: list[str]) -> None:
        words = (
            f"{', '.join(missing)} did not join within {self.setting.join_seconds:.0f} s; see ray-{missing[0]}.log in "
            f"{self.setting.run.path}"
        )
        if self.setting.require_all:
            raise NodesMissing(f"{words}; all nodes are required")
        say(f"{words}; the {self.setting.study.kind} starts on the others")


class Pausable(Protocol):
    """A session of a study or a training."""

    driving: bool

    def request_stop(self, why: str) -> None:
        """Stop after the running epochs."""


class Pause:
    """Pauses the session when the batch script asks for it, and interrupts it when the wall time is near.

    The script asks by a file: SIGUSR1, which it gets itself, is Ray Tune's here.

    Args:
        setting: What the batch script exported.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._why = f"paused: job {setting.job} is about to end"
        self._session: Pausable | None = None
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def asked(self) -> bool:
        """Whether the job is about to end."""
        return self._setting.run.pause.exists()

    def watch(self, session: Pausable) -> None:
        """Pause this session from now on."""
        self._session = session
        if self.asked:
            session.request_stop(self._why)

    def _wait(self) -> None:
        while not self.asked:
            time.sleep(_LOOK_SECONDS)
        say(f"the job is about to end: running epochs are finished and the {self._setting.study.kind} pauses")
        if self._session is not None:
            self._session.request_stop(self._why)
        stop_hosted(self._setting)
        lead = self._setting.lead
        time.sleep(lead - min(_TIME_TO_CLOSE, lead / 2))
        # Once no trial runs any more, the session is about to leave all in order, and is let.
        if self._session is not None and self._session.driving:
            os.kill(os.getpid(), signal.SIGTERM)


def drive(setting: Setting, expected: list[str], pause: Pause) -> int:
    """Run the study or training until it is over or paused; the exit code.

    Raises:
        UserError: It cannot be run; one sentence says why.
    """
    _wait_for_other_drivers(setting, lambda: pause.asked)
    if pause.asked:
        return exits.PAUSED
    if isinstance(setting.study, TrainingFolder):
        return _train(setting, setting.study, expected, pause)
    if setting.study.begun and (history := setting.study.history()).state == "finished":
        say(f"study {setting.study.name} is finished: {history.why}")
        return exits.FINISHED
    from rich.console import Console

    from raise_hpo.cluster.study_actor import ShareIfHosted
    from raise_hpo.report.live import PlainView

    session = Session.take_up(
        setting.study, slots=setting.slots, ray=JobRay(setting, expected),
        limit=ShareIfHosted(setting.study.name),
        view=lambda history, name: PlainView(history, Console(soft_wrap=True), name),
    )  # fmt: skip
    session.exclude = lambda node, why: exclude(setting, node, why)
    pause.watch(session)
    try:
        code = _exit_code(session.run(), pause.asked)
    except KeyboardInterrupt:
        return exits.PAUSED if pause.asked else exits.INTERRUPTED
    wait_for_hosted(setting, lambda: pause.asked)
    return code


def _exit_code(history: History, paused: bool) -> int:
    if history.state == "finished":
        return exits.FINISHED if history.best() is not None else exits.NO_BEST
    return exits.PAUSED if paused else exits.STOPPED


def _train(setting: Setting, folder: TrainingFolder, expected: list[str], pause: Pause) -> int:
    from rich.console import Console

    from raise_hpo.train.places import PlacesLost, TooFewPlaces
    from raise_hpo.train.plan import kept_plan
    from raise_hpo.train.training import AlreadyFinished, Training
    from raise_hpo.train.words import EpochLines

    ray = JobRay(setting, expected)
    try:
        training = Training.take_up(folder, EpochLines(Console(soft_wrap=True), kept_plan(folder).epochs), ray)
        pause.watch(training)
        state = training.run().state
    except AlreadyFinished as error:
        say(str(error))
        return exits.FINISHED
    except PlacesLost as error:
        say(str(error))
        return exits.NODES_LOST
    except TooFewPlaces as error:
        if ray.missing:
            # The next job may have all its nodes.
            raise NodesMissing(str(error)) from None
        raise
    except KeyboardInterrupt:
        return exits.PAUSED if pause.asked else exits.INTERRUPTED
    wait_for_hosted(setting, lambda: pause.asked)
    unfinished = exits.PAUSED if pause.asked else exits.STOPPED
    return {"finished": exits.FINISHED, "failed": exits.NO_BEST}.get(state, unfinished)


def _wait_for_other_drivers(setting: Setting, ended: Callable[[], bool]) -> None:
    """Two jobs of a chain may run at once; the second waits until the first has let go of the study."""
    told = False
    while not ended() and (driver := setting.study.driver()) is not None:
        if not told:
            say(
                f"{setting.study.kind} {setting.study.name} is run by process {driver.get('pid')} on "
                f"{driver.get('host')}: waiting"
            )
            told = True
        time.sleep(1.0)


def exclude(setting: Setting, node: str, why: str) -> None:
    """Let a node leave the job's cluster, and keep the jobs that are still to come off it."""
    from raise_hpo.cluster import slurm

    setting.run.excluded(node).write_text(why)
    prefix = setting.run.excluded("").name
    nodes = {path.name.removeprefix(prefix) for path in setting.study.jobs.glob(f"*/{prefix}*")}
    for job in all_jobs(setting.study):
        try:
            if slurm.state_of(job).state == "PENDING":
                slurm.run("scontrol", "update", f"jobid={job}", f"ExcNodeList={','.join(sorted(nodes))}")
        except UserError as error:
            say(f"job {job} may still get {node}: {error}")


def main() -> int:
    """Run the driver of this job; the names of the job's nodes are its arguments."""
    setting = Setting.of()
    pause = Pause(setting)
    try:
        return drive(setting, sys.argv[1:], pause)
    except NodesMissing as error:
        say(f"raise-hpo: {error}")
        return exits.NODES_MISSING
    except UserError as error:
        say(f"raise-hpo: {error}")
        return exits.WRONG_INPUT


if __name__ == "__main__":
    sys.exit(main())
