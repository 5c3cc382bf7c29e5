"""A trial's workers: Ray actors in the trial's placement group, one torch process group, kept between trials."""

from __future__ import annotations

import contextlib
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, NodeDiedError, OutOfMemoryError, RayActorError, RayError, RayTaskError

from raise_hpo.trial.failures import TrialFailure

_JOIN_SECONDS = 300.0


class WorkerProcess:
    """The actor around a worker: the slot, which makes it, is thus spared importing torch."""

    def __init__(self, rank: int, world_size: int, threads: int) -> None:
        from raise_hpo.trial.worker import Worker

        self._worker = Worker(rank, world_size, threads)

    def call(self, method: str, *args: Any) -> Any:
        """Call one of the worker's methods."""
        return getattr(self._worker, method)(*args)


class WorkerGroup:
    """`workers` processes that train one trial at a time, together.

    Must be made inside an actor whose placement group has a bundle a worker; the workers take those bundles.

    Args:
        workers: Number of data-parallel workers.
        cpus: CPU cores a worker.
        gpus: GPUs a worker; a fraction shares one.

    Raises:
        TrialFailure: A worker could not be started, or the workers did not find each other.
    """

    def __init__(self, workers: int, cpus: float, gpus: float) -> None:
        actor = ray.remote(WorkerProcess).options(num_cpus=cpus, num_gpus=gpus)
        self._workers: list[Any] = [actor.remote(rank, workers, max(1, int(cpus))) for rank in range(workers)]
        if workers > 1:
            host, port = self.call_first("host_store")
            self.call("join", host, port, timeout=_JOIN_SECONDS)

    def call(self, method: str, *args: Any, timeout: float | None = None) -> list[Any]:
        """Call a method on every worker at once and wait for all; the results, by rank.

        Raises:
            TrialFailure: A worker raised, died, or took longer than `timeout` seconds. The group is of no use then.
        """
        return _wait([worker.call.remote(method, *args) for worker in self._workers], timeout)

    def call_first(self, method: str, *args: Any) -> Any:
        """Call a method on rank 0 alone.

        Raises:
            TrialFailure: As for `call`.
        """
        return _wait([self._workers[0].call.remote(method, *args)], None)[0]

    def close(self) -> None:
        """End the workers' processes."""
        for worker in self._workers:
            with contextlib.suppress(RayError):
                ray.kill(worker)


def _wait(calls: list[Any], timeout: float | None) -> list[Any]:
    try:
        return list(ray.get(calls, timeout=timeout))
    except GetTimeoutError:
        raise TrialFailure("timeout", f"took longer than {timeout:g} seconds") from None
    except RayError as error:
        raise failure_of_worker(error) from None


def failure_of_worker(error: RayError) -> TrialFailure:
    """The failure that an error stands for which Ray raised in place of a worker's answer."""
    if isinstance(error, OutOfMemoryError):
        return TrialFailure("oom", f"a worker was ended because its node ran out of memory: {_line(error)}")
    if isinstance(error, RayTaskError):
        return _inside(error)
    if isinstance(error, RayActorError):
        lost = "node died" in str(error).lower() or "node has died" in str(error).lower()
        return TrialFailure("lost" if lost else "killed", f"a worker process died: {_line(error)}")
    if isinstance(error, NodeDiedError):
        return TrialFailure("lost", _line(error))
    return TrialFailure("killed", f"{type(error).__name__}: {_line(error)}")


def _inside(error: RayTaskError) -> TrialFailure:
    """The failure that a worker raised; anything else that came out of a worker is an error of its trainable."""
    cause = error.cause
    return (
        cause if isinstance(cause, TrialFailure) else TrialFailure("error", f"{type(cause).__name__}: {_line(cause)}")
    )


def _line(error: object) -> str:
    """What an exception says, in one line; Ray's messages put what happened behind the first line's generalities."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [
        line for line in lines if "exit_detail" in line or "died because" in line.lower() or "exit code" in line.lower()
    ]
    return (telling or lines or [type(error).__name__])[0]
