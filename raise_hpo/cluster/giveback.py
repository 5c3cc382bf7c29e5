"""What the worker nodes do when the head is lost: with ``--no-kill`` the job would go on without a batch script.

A worker that cannot reach the head for a minute gives the allocation back: the next job of the chain starts then, or
else the batch script is submitted again, or the job is put back into the queue. One worker does it for all.
"""

from __future__ import annotations

import socket
import time

from raise_hpo.cluster import slurm
from raise_hpo.cluster.chain import waiting_after
from raise_hpo.cluster.job import Endpoint, Setting, Submitted, node_name, note_submission, say, submissions
from raise_hpo.errors import UserError

_EVERY = 5.0
_LOST_AFTER = 60.0
_CONNECT_SECONDS = 3.0
_AT_MOST = 3


class HeadWatch:
    """Watches the head from a worker.

    Args:
        setting: What the batch script exported.
        endpoint: Where the head is.
    """

    def __init__(self, setting: Setting, endpoint: Endpoint) -> None:
        host, _, port = endpoint.address.rpartition(":")
        self.setting = setting
        self._head = (host, int(port))
        self._seen = self._looked = time.monotonic()

    def gives_back(self) -> bool:
        """Look for the head now and then; True once it is lost and the allocation is given back."""
        now = time.monotonic()
        if now - self._looked < _EVERY:
            return False
        self._looked = now
        if self._answers():
            self._seen = time.monotonic()
        if time.monotonic() - self._seen < _LOST_AFTER:
            return False
        if self._is_first():
            say(f"the head at {self._head[0]} is lost")
            give_back(self.setting)
        return True

    def _answers(self) -> bool:
        try:
            with socket.create_connection(self._head, timeout=_CONNECT_SECONDS):
                return True
        except OSError:
            return False

    def _is_first(self) -> bool:
        try:
            self.setting.run.given_back.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def give_back(setting: Setting) -> None:
    """Let the study go on in another job, and end this one; each step is said first, as this process may go with it."""
    if waiting := waiting_after(setting):
        say(f"job {waiting[0]} of the chain goes on")
    elif sum(1 for _ in setting.study.jobs.glob("*/given-back")) >= _AT_MOST:
        say(f"{_AT_MOST} heads were lost; the study waits for 'raise-hpo submit {setting.study.name}'")
    elif not _submitted_again(setting) and _requeued(setting):
        return
    slurm.cancel([setting.job])


def _submitted_again(setting: Setting) -> bool:
    """Submit the batch script again, where nodes may."""
    if not setting.submit_from_nodes or not setting.script:
        return False
    try:
        job = slurm.submit(setting.script, f"--dependency=afterany:{setting.job}")
    except UserError as error:
        say(str(error))
        return False
    last = submissions(setting.study)[-1]
    again = Submitted([job], last.site, last.nodes, last.hours, setting.script, time.time())
    note_submission(setting.study, again)
    say(f"job {job} was submitted by {node_name()} and goes on")
    return True


def _requeued(setting: Setting) -> bool:
    """Put the job back into the queue, where it may be."""
    say("the job is put back into the queue")
    try:
        slurm.run("scontrol", "requeue", setting.job)
    except UserError as error:
        say(f"{error}; go on by 'raise-hpo submit {setting.study.name}'")
        return False
    return True
