"""Brings up the Ray cluster that a study would have, times it, and ends it.

The head's node also runs ``python -m raise_hpo.cluster.doctor.ray_start ADDRESS NODE...``, which waits for the nodes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from raise_hpo.cluster.doctor.facts import RayStart
from raise_hpo.cluster.job import RunFiles, Setting, read_endpoint
from raise_hpo.drive.cluster import PREFIX, AttachedRay, alive_nodes, fresh_token, wait_for_nodes

_PATIENCE = 150.0
_TO_END = 20.0


def start(setting: Setting, node: str, nodes: list[str]) -> RayStart | None:
    """Be a part of the cluster until the head has seen all nodes; what the head found, None on other nodes.

    Args:
        setting: What the batch script exported.
        node: This node's name.
        nodes: All nodes, the head first.
    """
    run = RunFiles(setting.study.path / "ray")
    is_head = node == nodes[0]
    began = time.monotonic()
    if is_head:
        run.path.mkdir(mode=0o700)
        fresh_token(run.path)
    elif not _until(run.address.exists, _PATIENCE, run):
        return None
    # What Ray's processes leave in the temporary folder goes with it.
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=os.path.expandvars(setting.scratch)) as temporary:
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(run.token)}
        environment = {**os.environ, **token, "RAISE_HPO_RUN": str(run.path), "TMPDIR": temporary}
        with run.log(node).open("w") as log:
            command = [sys.executable, "-m", "raise_hpo.cluster.node", "head" if is_head else "worker"]
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            if is_head:
                return _observe(run, process, nodes, began, environment)
            _until(lambda: process.poll() is not None, 2 * _PATIENCE, run)
            return None
        finally:
            if is_head:
                run.stop.touch()
            _end(process)


def _observe(
    run: RunFiles, process: subprocess.Popen[bytes], nodes: list[str], began: float, environment: dict[str, str]
) -> RayStart:
    """Wait for the head and then for all nodes."""
    found = RayStart()
    _until(lambda: run.address.exists() or process.poll() is not None, _PATIENCE, run)
    endpoint = read_endpoint(run)
    if endpoint is None:
        found.problem = f"the head on {nodes[0]} did not start: {_last_words(run.log(nodes[0]))}"
        return found
    found.head_seconds = time.monotonic() - began
    command = [sys.executable, "-m", "raise_hpo.cluster.doctor.ray_start", endpoint.address, *nodes]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE + 30)
        found.joined = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        found.problem = f"the cluster at {endpoint.address} did not answer"
        return found
    except (IndexError, ValueError):
        found.problem = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return found
    found.joined_seconds = time.monotonic() - began
    missing = sorted({*nodes} - {*found.joined})
    if missing:
        found.problem = f"{', '.join(missing)} did not join: {_last_words(run.log(missing[0]))}"
    return found


def _until(reached: Callable[[], bool], seconds: float, run: RunFiles) -> bool:
    """Wait until something holds; False if the time is over, or the cluster is to end."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline or run.stop.exists():
            return False
        time.sleep(0.1)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (0, signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TO_END)
            return


def _last_words(log: Path) -> str:
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing"


def main() -> int:
    """Print the names of the nodes that have joined, once they are all there or the time is over."""
    address, *nodes = sys.argv[1:]
    with AttachedRay(address):
        wait_for_nodes(nodes, _PATIENCE)
        joined = alive_nodes()
    print(json.dumps(joined), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
