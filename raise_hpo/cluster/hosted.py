"""The studies that sessions have started on a job's cluster, beside the job's own: it stays up until they are over."""

from __future__ import annotations

import time
from collections.abc import Callable

from raise_hpo.cluster.job import Setting, say
from raise_hpo.folder import StudyFolder, all_studies

_LOOK_SECONDS = 1.0
_RESTART_SECONDS = 30.0
_STOP_SECONDS = 60.0


def hosted(setting: Setting) -> list[StudyFolder]:
    """The studies whose drivers are at work on this job's cluster, but for the job's own."""
    others = [study for study in all_studies() if study.path.resolve() != setting.study.path.resolve()]
    return [study for study in others if (study.driver() or {}).get("job") == setting.job]


def stop_hosted(setting: Setting) -> None:
    """Ask them to stop after their running epochs, as the job is about to end; they can be resumed."""
    for study in hosted(setting):
        study.stop_request.touch()


def wait_for_hosted(setting: Setting, ending: Callable[[], bool]) -> None:
    """Wait until they are over, or, once the job is about to end, until they have stopped.

    Args:
        setting: What the batch script exported.
        ending: Whether the job is about to end.
    """
    last_seen, told = time.monotonic(), ""
    while not ending():
        names = ", ".join(study.name for study in hosted(setting))
        if names and names != told:
            say(f"study {setting.study.name} is over; the job goes on for {names}")
        if names:
            last_seen, told = time.monotonic(), names
        # A driver that was lost with its node is started again elsewhere.
        elif not told or time.monotonic() - last_seen > _RESTART_SECONDS:
            return
        time.sleep(_LOOK_SECONDS)
    stop_hosted(setting)
    until = time.monotonic() + _STOP_SECONDS
    while hosted(setting) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
