"""A session with a cluster that is up: submit studies to it, look at them and come back later."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

from raise_hpo.api import read_spec
from raise_hpo.cluster.link import Link, told_when_lost
from raise_hpo.cluster.remote_study import RemoteStudy
from raise_hpo.errors import UserError
from raise_hpo.names import resolve_trainable, trainable_names
from raise_hpo.study import StudySpec

# Through Slurm, a connection takes as long as a step of the job takes to start.
_STEP_SECONDS = 60.0


def connect(
    address: str | None = None, *, job: str | None = None, token_file: str | Path | None = None
) -> ClusterSession:
    """Connect to a cluster; its studies go on when the session is closed, or this process is gone.

    Args:
        address: ``ray://HOST:PORT`` of the cluster's Ray Client server.
        job: Instead of an address, the number of a batch job of ours, from a host where Slurm answers and in the folder
            that `raise-hpo submit` was run in; the job's files have the token.
        token_file: The file with the cluster's token; as Ray finds it if not given.

    Raises:
        UserError: The cluster cannot be reached, refuses the token, or runs other versions than this process.
    """
    if (address is None) == (job is None):
        raise UserError("connect needs either an address, ray://HOST:PORT, or job=JOBID")
    return ClusterSession(str(address), token_file) if job is None else _connect_to_job(job)


def _connect_to_job(job: str) -> ClusterSession:
    from raise_hpo.cluster.queue import find_by_job, running_cluster
    from raise_hpo.cluster.relay import Relay

    run, endpoint = running_cluster(find_by_job(job), job)
    relay = Relay(job, endpoint.node, endpoint.client)
    try:
        return ClusterSession(f"ray://127.0.0.1:{relay.port}", run.token, relay.close, _STEP_SECONDS)
    except BaseException:
        relay.close()
        raise


class ClusterSession:
    """A connection to a cluster on which studies run; made by `connect`.

    Use it in a ``with`` statement, or `close` it. One session is open at a time in a process.

    Args:
        address: ``ray://HOST:PORT``.
        token_file: The file with the cluster's token; as Ray finds it if None.
        on_close: Called when the connection is closed.
        seconds: How long to wait for the cluster's first sign of life.

    Raises:
        UserError: As for `connect`.
    """

    def __init__(
        self,
        address: str,
        token_file: str | Path | None = None,
        on_close: Callable[[], None] = lambda: None,
        seconds: float = 5.0,
    ) -> None:
        from raise_hpo.cluster.study_actor import NAMESPACE

        self.address = address
        self._on_close = on_close
        self._link: Link | None = Link(address, token_file, NAMESPACE, seconds)
        try:
            self._host = self._meet()
        except BaseException:
            self.close()
            raise

    def submit(
        self,
        study: str | Path | Mapping[str, Any] | StudySpec,
        *,
        name: str | None = None,
        priority: float = 1.0,
        trainable: type | None = None,
        slots: int | None = None,
    ) -> RemoteStudy:
        """Start a study on the cluster.

        A trainable that is a file, or a module that the cluster cannot import, is sent along: the class with what its
        own module defines. Paths in the study's ``data`` are the cluster's.

        Args:
            study: A study file, the name of a trainable that brings one, a study file's content, or a `StudySpec`.
            name: The study's name; the trainable's name and a number if not given.
            priority: Its share of the slots against the other studies': with 3 it gets three times as many as with 1.
            trainable: The trainable's class, if it is not to be imported by the name in the study file, as in a
                notebook. With it, a study's content needs neither ``trainable`` nor, if the class has one,
                ``search_space``.
            slots: Trials at a time at most; as many as its share if not given.

        Raises:
            UserError: Something in the study file or, on the cluster, in the trainable or the data is wrong, or the
                name is taken.
        """
        if not 0 < priority < float("inf"):
            raise UserError(f"priority is {priority:g}, but must be above 0")
        if slots is not None and slots < 1:
            raise UserError(f"slots is {slots}, but must be 1 or more")
        spec = read_spec(study, trainable)
        sent = self._class_to_send(spec, trainable)
        return self.study(self.call("submit", spec.resolved(), name, float(priority), slots, sent))

    def study(self, name: str) -> RemoteStudy:
        """A study on the cluster by its name, running or not, whoever submitted it.

        Raises:
            UserError: There is no such study.
        """
        return RemoteStudy(name, self.call)

    def studies(self) -> list[RemoteStudy]:
        """All studies on the cluster, the most recently changed last."""
        return [self.study(name) for name in self.call("studies")]

    def close(self) -> None:
        """End the session; its studies go on."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._on_close()

    def __enter__(self) -> ClusterSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ClusterSession({self.address!r})"

    def call(self, method: str, *arguments: Any) -> Any:
        """Ask the cluster's host; see `raise_hpo.cluster.host.Host`.

        Raises:
            UserError: What the host says is wrong, or the session is closed or lost.
        """
        if self._link is None:
            raise UserError(f"the session with {self.address} is closed; connect again")
        import ray

        with told_when_lost(self.address):
            answer = ray.get(getattr(self._host, method).remote(*arguments))
        if "error" in answer:
            raise UserError(answer["error"])
        return answer["value"]

    def _meet(self) -> Any:
        """The host, if it is of our kind."""
        import ray

        from raise_hpo.cluster.host import find_host

        try:
            with told_when_lost(self.address):
                host = find_host()
                there = ray.get(host.hello.remote())
        except ImportError as error:
            raise UserError(f"the cluster at {self.address} has no raise-hpo ({error})") from error
        here = {"raise-hpo": version("raise-hpo"), "python": platform.python_version()}
        for what, ours in here.items():
            if there[what] != ours:
                raise UserError(f"the cluster at {self.address} has {what} {there[what]}, this process has {ours}")
        return host

    def _class_to_send(self, spec: StudySpec, given: type | None) -> bytes | None:
        """The trainable's class, pickled, unless the cluster can import it by its name."""
        if given is None and spec.trainable in trainable_names():
            return None
        home = spec.trainable.rpartition(":")[0]
        if given is None and not home.endswith(".py") and self.call("can_import", spec.trainable):
            return None
        found = given or resolve_trainable(spec.trainable, spec.import_from)
        return pickled(found)


def pickled(trainable: type) -> bytes:
    """A class with all that it needs of its own module, for a machine that does not have that module."""
    from ray import cloudpickle

    module = sys.modules.get(trainable.__module__)
    if module is None or module.__name__ == "__main__":
        return bytes(cloudpickle.dumps(trainable))
    cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(trainable))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
