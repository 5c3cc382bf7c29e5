"""One node of a job's Ray cluster: start Ray, start it again if it breaks, watch the head, leave nothing behind.

Run on each node as ``python -m raise_hpo.cluster.node head|worker`` by ``slurm/ray_cluster.sh``. It ends when the batch
script asks for it (SIGUSR2, which srun hands on, or the file `RunFiles.stop`), and exits 0 then.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from raise_hpo.cluster.address import free_port, node_address
from raise_hpo.cluster.exits import HEAD_FAILED, NODE_UNFIT, WORKER_FAILED
from raise_hpo.cluster.giveback import HeadWatch
from raise_hpo.cluster.job import Endpoint, Setting, node_name, read_endpoint, say, write_endpoint
from raise_hpo.cluster.processes import carrying, end
from raise_hpo.drive.cluster import PREFIX, SLOT_RESOURCE, SLOTS_A_NODE, mark_owner, sweep_killed
from raise_hpo.errors import UserError
from raise_hpo.trial.spec import NODE, NODE_CACHE

_RESTARTS = 3
_RESTART_WINDOW = 600.0
_START_SECONDS = 120.0
_LOG_BYTES = 2**20
LONGEST_TEMP_DIR = 43
_STORE_BYTES = 2 * 2**30

# A lost node must be found in seconds; Ray's own settings take half a minute, and miss a cut cable.
_HEALTH = {
    "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}

# Ray offers its metrics to anybody who asks, token or not, and nobody here asks. The dashboard's server of them has no
# switch: at an impossible port it is not started, and Ray goes on without.
_NO_METRICS = {"RAY_enable_metrics_collection": "0", "DASHBOARD_METRIC_PORT": "-1"}


class RayNode:
    """Ray on this node, for as long as the job's cluster stands.

    Args:
        role: ``head`` or ``worker``.
        setting: What the batch script exported.
    """

    def __init__(self, role: str, setting: Setting) -> None:
        self.role = role
        self.setting = setting
        self.name = node_name()
        self.asked_to_end = self.in_haste = False
        self.folder = _private_folder(Path(os.path.expandvars(setting.scratch)), setting.job)
        self._ray: subprocess.Popen[bytes] | None = None
        self._starts: list[float] = []

    def run(self) -> int:
        """Serve until asked to end; the exit code."""
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        up = self.setting.run.up(self.name)
        up.touch()
        try:
            return self._serve()
        finally:
            self._end_ray()
            shutil.rmtree(self.folder, ignore_errors=True)
            up.unlink(missing_ok=True)

    def _on_signal(self, number: int, frame: Any) -> None:
        self.asked_to_end = True
        # Slurm sends it when a job is cancelled or out of time, and kills soon after.
        self.in_haste = self.in_haste or number == signal.SIGTERM

    def _serve(self) -> int:
        self._start()
        if self.role == "head" and not self._publish():
            return self._failed("the head did not start")
        endpoint = read_endpoint(self.setting.run)
        watch = HeadWatch(self.setting, endpoint) if self.role == "worker" and endpoint else None
        while not self._to_end():
            assert self._ray is not None
            if self._ray.poll() is not None:
                say(f"Ray ended with exit code {self._ray.returncode}")
                if self.role == "head" or not self._may_start_again():
                    return self._failed("Ray broke too often" if self.role == "worker" else "the head broke")
                self._end_ray()
                self._start()
            if watch is not None and watch.gives_back():
                return 0
            time.sleep(0.5)
        return 0

    def _to_end(self) -> bool:
        excluded = self.setting.run.excluded(self.name)
        return self.asked_to_end or self.setting.run.stop.exists() or excluded.exists()

    def _may_start_again(self) -> bool:
        now = time.monotonic()
        self._starts = [start for start in self._starts if now - start < _RESTART_WINDOW]
        return len(self._starts) <= _RESTARTS

    def _start(self) -> None:
        self._starts.append(time.monotonic())
        session = Path(tempfile.mkdtemp(prefix="r", dir=self.folder))
        if len(os.fsencode(session)) > LONGEST_TEMP_DIR:
            raise UserError(
                f"{session} is too long for Ray's sockets ({LONGEST_TEMP_DIR} characters at the most); give the site "
                "a shorter 'scratch', such as /tmp"
            )
        self._session = session
        ip = node_address(self.name, self.setting.host_suffix, self.setting.interface)
        ray = [sys.executable, "-m", "raise_hpo.cluster.ray_start", "start", "--log-color=false"]
        self._ray = subprocess.Popen(
            [*ray, *self._arguments(ip, session)], env=self._environment(), stdin=subprocess.DEVNULL
        )
        say(f"Ray {self.role} on {self.name} at {ip}, process {self._ray.pid}")

    def _arguments(self, ip: str, session: Path) -> list[str]:
        common = [
            f"--node-ip-address={ip}", f"--node-name={self.name}", f"--temp-dir={session}", "--block",
            f"--num-cpus={node_cpus()}", f"--num-gpus={node_gpus()}",
            f'--resources={{"{SLOT_RESOURCE}": {SLOTS_A_NODE}}}', f"--object-store-memory={_store_bytes()}",
            "--disable-usage-stats", "--dashboard-agent-listen-port=0", "--min-worker-port=0", "--max-worker-port=0",
        ]  # fmt: skip
        if self.role == "worker":
            endpoint = read_endpoint(self.setting.run)
            if endpoint is None:
                raise UserError(f"{self.setting.run.address} is missing: there is no head to join")
            return [*common, f"--address={endpoint.address}"]
        self._client_port = free_port(int(self.setting.job))
        self._dashboard_host = ip if self.setting.dashboard == "node" else "127.0.0.1"
        with_dashboard = self.setting.dashboard != "off"
        self._dashboard_port = free_port(int(self.setting.job) + 1) if with_dashboard else None
        return [
            *common, "--head", "--port=0", "--no-monitor", f"--ray-client-server-port={self._client_port}",
            f"--include-dashboard={str(with_dashboard).lower()}", f"--dashboard-host={self._dashboard_host}",
            f"--dashboard-port={self._dashboard_port or 0}",
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        cache, temporary = self.folder / "cache", self.folder / "tmp"
        for folder in (cache, temporary):
            folder.mkdir(exist_ok=True)
        own = {
            NODE: self.name,
            NODE_CACHE: str(cache),
            "TMPDIR": str(temporary),
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "1",
        }
        kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        return {**gpus_as_ray_wants(kept), **_HEALTH, **_NO_METRICS, **own}

    def _publish(self) -> bool:
        """Wait for the head and tell the job where it is."""
        assert self._ray is not None
        deadline = time.monotonic() + _START_SECONDS
        found = self._session / "ray_current_cluster"
        while self._ray.poll() is None and time.monotonic() < deadline and not self._to_end():
            if found.exists() and (address := found.read_text().strip()):
                endpoint = Endpoint(
                    address, self.name, self._client_port, self._dashboard_port, self._dashboard_host,
                    str(self.setting.run.token), str(self.folder),
                )  # fmt: skip
                write_endpoint(self.setting.run, endpoint)
                return True
            time.sleep(0.1)
        return False

    def _failed(self, why: str) -> int:
        self._keep_logs()
        say(f"{why}; its logs are in {self.setting.run.path / 'logs' / self.name}")
        return HEAD_FAILED if self.role == "head" else WORKER_FAILED

    def _keep_logs(self) -> None:
        """Copy the end of each of Ray's logs to the job's folder."""
        kept = self.setting.run.path / "logs" / self.name
        kept.mkdir(parents=True, exist_ok=True)
        for log in self._session.glob("session_latest/logs/*"):
            if log.is_file() and log.stat().st_size:
                with log.open("rb") as file:
                    file.seek(max(0, log.stat().st_size - _LOG_BYTES))
                    (kept / log.name).write_bytes(file.read())

    def _end_ray(self) -> None:
        """End Ray and all that it started here: every process that carries this node's folder in its environment."""
        if self._ray is not None and self._ray.poll() is None and not self.in_haste:
            self._ray.terminate()
            try:
                self._ray.wait(4)
            except subprocess.TimeoutExpired:
                self._ray.kill()
        end(carrying(NODE_CACHE, str(self.folder / "cache")), seconds=0.2 if self.in_haste else 1.0)


def _private_folder(scratch: Path, job: str) -> Path:
    """A folder of this node's own, mode 0700, with a short name."""
    try:
        sweep_killed(scratch)
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{job}-", dir=scratch))
        mark_owner(folder)
    except OSError as error:
        raise UserError(
            f"no folder can be made in {scratch} on {node_name()} ({error.strerror}); set the site's 'scratch' to a "
            "folder on the node's own disk"
        ) from error
    return folder


def node_cpus() -> int:
    """What the job may use here: Ray itself would count the whole node's."""
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    return int(given) if given else len(os.sched_getaffinity(0))


def node_gpus() -> int:
    """The GPUs that the job may use here."""
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        if os.environ.get(name):
            return len([gpu for gpu in os.environ[name].split(",") if gpu.strip()])
    return int(os.environ.get("SLURM_GPUS_ON_NODE") or 0)


def gpus_as_ray_wants(environment: dict[str, str]) -> dict[str, str]:
    """Slurm names AMD's GPUs in ROCR_VISIBLE_DEVICES, which Ray refuses; it wants HIP_VISIBLE_DEVICES."""
    rocr = environment.get("ROCR_VISIBLE_DEVICES")
    if not rocr or environment.get("CUDA_VISIBLE_DEVICES"):
        return {name: value for name, value in environment.items() if name != "ROCR_VISIBLE_DEVICES"}
    return {**{n: v for n, v in environment.items() if n != "ROCR_VISIBLE_DEVICES"}, "HIP_VISIBLE_DEVICES": rocr}


def _store_bytes() -> int:
    """Trials hardly use Ray's object store; its default, a third of the node's memory, would be theirs missing."""
    import psutil

    free = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else _STORE_BYTES
    return int(max(100 * 2**20, min(_STORE_BYTES, psutil.virtual_memory().total // 20, free // 2)))


def main() -> int:
    """Run the node that the first argument says."""
    try:
        return RayNode(sys.argv[1], Setting.of()).run()
    except UserError as error:
        say(str(error))
        return NODE_UNFIT


if __name__ == "__main__":
    sys.exit(main())
