"""The connection of this process to a cluster, through its Ray Client server, with the cluster's token."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raise_hpo.environment import Variables
from raise_hpo.errors import UserError
from raise_hpo.paths import user_path

_ADDRESS = re.compile(r"ray://([^:/\s]+|\[[0-9a-fA-F:]+\]):(\d{1,5})/?")
_MODE, _PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"


class Link:
    """A connection, from its making until `close`; a process has one at a time.

    Args:
        address: ``ray://HOST:PORT`` of the cluster's Ray Client server.
        token_file: The file with the cluster's token; as Ray finds it if None.
        namespace: The Ray namespace to be in.
        seconds: How long to wait for the cluster's first sign of life.

    Raises:
        UserError: The address, the token or the versions do not fit, nothing answers, or this process is connected
            already. Told within seconds.
    """

    def __init__(self, address: str, token_file: str | Path | None, namespace: str, seconds: float = 5.0) -> None:
        self.address = address
        self._seconds = seconds
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise UserError(f"address '{address}' must be of the form ray://HOST:PORT")
        if "ray" in sys.modules and sys.modules["ray"].is_initialized():
            raise UserError("this process is connected to a Ray cluster already; close that session first")
        self._variables = Variables()
        self._variables.remember(_MODE, _PATH)
        self._token = _readable(token_file) if token_file is not None else None
        try:
            self._use_token()
            self._knock(f"{match[1]}:{match[2]}")
            self._connect(namespace)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; what runs on the cluster goes on."""
        import ray

        from raise_hpo.drive.cluster import forget_earlier_token

        with contextlib.suppress(Exception):
            ray.shutdown()
        self._variables.restore()
        forget_earlier_token()

    def _use_token(self) -> None:
        from raise_hpo.drive.cluster import forget_earlier_token

        if self._token is not None:
            os.environ |= {_MODE: "token", _PATH: str(self._token)}
        # Ray reads these once a process, when it is imported or first used.
        forget_earlier_token()

    def _knock(self, place: str) -> None:
        """Ask the server for a sign of life, as Ray's own attempts take half a minute and do not tell why they fail."""
        import grpc
        from ray._private.grpc_utils import init_grpc_channel
        from ray.core.generated.ray_client_pb2 import (  # type: ignore[attr-defined]
            ClusterInfoRequest,
            ClusterInfoType,
        )
        from ray.core.generated.ray_client_pb2_grpc import RayletDriverStub
        from ray.exceptions import AuthenticationError

        try:
            channel = init_grpc_channel(place)
            with contextlib.closing(channel):
                request = ClusterInfoRequest(type=ClusterInfoType.PING)
                RayletDriverStub(channel).ClusterInfo(request, timeout=self._seconds)
        except AuthenticationError as error:
            raise UserError(f"no token for the cluster at {self.address} is found; give its file as token_file") from (
                error
            )
        except grpc.RpcError as error:
            raise UserError(self._why(error)) from error

    def _why(self, error: Any) -> str:
        import grpc

        code, details = error.code(), str(error.details())
        if code == grpc.StatusCode.UNAUTHENTICATED:
            if self._token is None:
                return f"the cluster at {self.address} asks for its token; give the file that holds it as token_file"
            return f"the cluster at {self.address} refuses the token in {self._token}; each cluster has its own"
        if code == grpc.StatusCode.UNAVAILABLE and "refused" in details:
            return f"nothing listens at {self.address}; is the cluster up, and its port forwarded to here?"
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return f"no Ray Client server answers at {self.address} within {self._seconds:g} seconds ({details})"
        return f"what listens at {self.address} is no Ray Client server ({code.name.lower()})"

    def _connect(self, namespace: str) -> None:
        import ray

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(self.address, namespace=namespace, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            raise UserError(connection_words(self.address, error)) from error


def connection_words(address: str, error: Exception) -> str:
    """Why Ray does not connect, in a sentence: other versions there than here, as a rule."""
    text = " ".join(str(error).split())
    if "ersion mismatch" in text:
        import platform

        import ray

        here = f"Ray {ray.__version__} and Python {platform.python_version()}"
        there = re.search(r"cluster was started with:\s*Ray: (\S+)\s*Python: (\S+)", text)
        told = f"Ray {there[1]} and Python {there[2]}" if there else "other versions"
        return f"the cluster at {address} has {told}, this process has {here}; both must be the same"
    return f"the cluster at {address} cannot be used ({text})"


def _readable(file: str | Path) -> Path:
    """The token's file, if there is a token in it."""
    path = user_path(file).absolute()
    try:
        if path.read_text().strip():
            return path
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"token file {file} cannot be read ({reason})") from error
    raise UserError(f"token file {file} is empty")


@contextlib.contextmanager
def told_when_lost(address: str) -> Iterator[None]:
    """Say in a sentence that the connection broke, whichever of Ray's errors it is."""
    import grpc
    import ray

    try:
        yield
    except (ConnectionError, grpc.RpcError, ray.exceptions.RayActorError, ray.exceptions.RaySystemError) as error:
        raise UserError(
            f"the session with {address} is lost ({type(error).__name__}); its studies go on if the cluster does: "
            "connect again"
        ) from error
