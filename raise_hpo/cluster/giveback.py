"""What the worker nodes do when the head is lost: with ``--no-kill`` the job would go on without a batch script.

A worker that cannot reach the head for a minute gives the allocation back: the next job of the chain starts then, or
else the batch script is submitted again, or the job is put back into the queue. One worker does it for all.
"""

from __future__ import annotations

import socket
import time

from raise_hpo.cluster import slurm
from raise_hpo.cluster.job import Endpoint, Setting, Submitted, node_name, note_submission, submissions
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
            print(f"{time.strftime('%T')} the head at {self._head[0]} is lost: {give_back(self.setting)}", flush=True)
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


def give_back(setting: Setting) -> str:
    """Let the study go on in another job, and end this one; in words what was done."""
    try:
        done = _successor(setting)
    except UserError as error:
        done = f"no other job could be had ({error}); go on by 'raise-hpo submit {setting.study.name}'"
    if done is None:
        slurm.run("scontrol", "requeue", setting.job)
        return "the job is put back into the queue"
    slurm.cancel([setting.job])
    return done


def _successor(setting: Setting) -> str | None:
    """The job that goes on, submitted if there is none; None if this one must be requeued."""
    latest = submissions(setting.study)
    chain = [job for submitted in latest for job in submitted.jobs]
    for job in chain[chain.index(setting.job) + 1 :] if setting.job in chain else []:
        if slurm.state_of(job).state == "PENDING":
            return f"job {job} of the chain goes on"
    if sum(1 for _ in setting.study.jobs.glob("*/given-back")) >= _AT_MOST:
        return f"{_AT_MOST} heads were lost; the study waits for 'raise-hpo submit {setting.study.name}'"
    if not setting.submit_from_nodes or not setting.script:
        return None
    job = slurm.submit(setting.script, f"--dependency=afterany:{setting.job}", f"--exclude={_head_of(setting)}")
    if latest:
        last = latest[-1]
        note_submission(setting.study, Submitted([job], last.site, last.nodes, last.hours, setting.script, time.time()))
    return f"job {job} was submitted and goes on, by {node_name()}"


def _head_of(setting: Setting) -> str:
    from raise_hpo.cluster.job import read_endpoint

    endpoint = read_endpoint(setting.run)
    return endpoint.node if endpoint else ""
