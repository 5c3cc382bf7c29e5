"""A real Slurm of several nodes on one machine: each host has its own network, /tmp and processes, in namespaces.

All of a cluster is found by its run folder, so that one process may start it and another use or stop it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import cgroups, settings, system, visible
from .host import Host, Listener, Process, kill
from .settings import LOGIN, LOGIN_NUMBER
from .system import PATH, Unavailable, until

BASE = Path("/srv")
SLOTS = range(8)  # for the tests; a cluster by hand has another slot
ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
FIELD = re.compile(r"(\S+?)=(.*?)(?=\s\S+?=|\s*$)")


class SlurmCluster:
    """A cluster with a login host and nodes ``jrc0001``..., at most one for each slot."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.folder = BASE / f"rh-slurm-{slot}"
        self.shared = self.folder / "shared"
        self.login = LOGIN
        self._lock: socket.socket | None = None

    @classmethod
    def unused(cls) -> SlurmCluster:
        """A cluster in a slot of this process alone; what killed processes left in theirs is removed."""
        taken = None
        for cluster in map(cls, SLOTS):
            held = system.lock(str(cluster.slot))
            if held is None:
                continue
            cluster.stop()
            if taken is None:
                taken, cluster._lock = cluster, held
            else:
                held.close()
        if taken is None:
            raise Unavailable("all slots for clusters are in use")
        return taken

    install = staticmethod(system.install)

    def start(self, nodes: int = 3) -> None:
        """Boot all hosts, start their daemons, and wait until all nodes are idle."""
        numbers = {f"jrc{number:04}": number for number in range(1, nodes + 1)}
        umask = os.umask(0o022)  # users of the cluster must read what is written here
        try:
            self.folder.mkdir(parents=True)
            settings.write(self.folder, f"10.{100 + self.slot}", numbers, cgroups.claim(self.folder))
            visible.write(self.folder)
            self._boot_login()
            for node in self.nodes:
                self.boot(node)
            self.wait_idle()
        except BaseException:
            self.stop()
            raise
        finally:
            os.umask(umask)

    def stop(self) -> None:
        """Kill all that the cluster runs and remove its files; also one that another process started."""
        kill(self.folder)
        cgroups.release(self.folder)
        if self.folder.exists():
            shutil.rmtree(self.folder)
        if self._lock:
            self._lock.close()
            self._lock = None

    @property
    def nodes(self) -> list[str]:
        """Names of the nodes."""
        names = [line.split()[1] for line in (self.folder / "etc/hosts").read_text().splitlines()]
        return [name for name in names if re.fullmatch(r"jrc\d+", name)]

    # Commands

    def environment(self, user: str, **changes: str) -> dict[str, str]:
        """What a user's login shell would set: this Python first, and the code under test found by it."""
        home = "/root" if user == "root" else str(self.shared / user)
        return {
            "PATH": f"{Path(sys.executable).parent}:{PATH}",
            "PYTHONPATH": str(visible.ROOT),
            "LANG": "C.UTF-8",
            "HOME": home,
            "USER": user,
            "LOGNAME": user,
            **changes,
        }

    def run(
        self,
        host: str,
        *command: str | Path,
        user: str = "alice",
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        check: bool = True,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host, in the user's home if nowhere else; with ``check`` it must succeed."""
        arguments = self._arguments(host, command, user, env, cwd)
        done = subprocess.run(**arguments, capture_output=True, timeout=timeout)
        words = " ".join(map(str, command))
        assert not (check and done.returncode), f"{words!r} on {host}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def popen(
        self,
        host: str,
        *command: str | Path,
        user: str = "alice",
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start a command on a host. A signal to it ends it by KILL; its own process is another, see ``processes``."""
        return subprocess.Popen(**self._arguments(host, command, user, env, cwd), **options)

    def _arguments(
        self,
        host: str,
        command: Iterable[str | Path],
        user: str,
        env: Mapping[str, str] | None,
        cwd: Path | str | None,
    ) -> dict[str, Any]:
        environment = self.environment(user, **(env or {}))
        folder = str(cwd or ("/" if user == "root" else environment["HOME"]))
        line = Host(self.folder, host).entering(user, folder, tuple(map(str, command)))
        return {"args": line, "env": environment, "text": True}

    def submit(self, *arguments: str | Path, user: str = "alice", **options: Any) -> int:
        """Submit a job from the login host."""
        return int(self.run(LOGIN, "sbatch", "--parsable", *arguments, user=user, **options).stdout.split(";")[0])

    # Failures

    def crash(self, node: str) -> None:
        """Cut a node's power: first its cables are gone, so that nobody is told, then all that runs on it."""
        Host(self.folder, LOGIN).ip(*(f"link delete {cable}" for cable in self._cables(node)))
        Host(self.folder, node).switch_off()

    def boot(self, node: str) -> None:
        """Switch a node on, with its cables plugged in and its daemon running.

        A node that is back sooner than Slurm gives it up (40 s) may keep a job RUNNING that it has lost: one that had
        begun less than half a minute before is taken for one that is still starting.
        """
        host = Host(self.folder, node)
        host.switch_on()
        number = int(node.removeprefix("jrc"))
        wires, ends = [], ["link set lo up"]
        for network, (device, cable) in enumerate(zip(("eth0", "ib0"), self._cables(node), strict=True)):
            address = f"02:00:00:{self.slot:02x}:{network:02x}:{number:02x}"  # the same after a boot, as of real cards
            wires.append(f"link add {cable} type veth peer name {device} address {address} netns {host.pid}")
            wires.append(f"link set {cable} master {device} up")
            ends.append(f"address add 10.{100 + self.slot}.{network}.{number}/24 dev {device}")
            ends.append(f"link set {device} up")
        Host(self.folder, LOGIN).ip(*wires)
        host.ip(*ends)
        self.start_slurmd(node)

    def unplug(self, node: str) -> None:
        """Cut both networks of a node."""
        Host(self.folder, LOGIN).ip(*(f"link set {cable} down" for cable in self._cables(node)))

    def plug(self, node: str) -> None:
        """Restore both networks of a node."""
        Host(self.folder, LOGIN).ip(*(f"link set {cable} up" for cable in self._cables(node)))

    def kill_slurmd(self, node: str) -> None:
        """Kill Slurm's daemon on a node; the jobs live on."""
        self.run(node, "bash", "-c", 'kill -KILL "$(< /run/slurmd.pid)"', user="root")
        self.wait_until(lambda: not self._has_daemon(node), 30, f"slurmd of {node} is dead")

    def start_slurmd(self, node: str) -> None:
        """Start Slurm's daemon on a node."""
        (self.folder / "spool" / node).mkdir(exist_ok=True)
        self.run(node, "slurmd", user="root")

    @staticmethod
    def _cables(node: str) -> tuple[str, str]:
        return f"eth-{node}", f"ib-{node}"

    def _boot_login(self) -> None:
        """The login host is also the switch of both networks, and runs the daemon that vouches for users."""
        host = Host(self.folder, LOGIN)
        host.switch_on()
        lines = ["link set lo up"]
        for network, device in enumerate(("eth0", "ib0")):
            lines.append(f"link add {device} type bridge")
            lines.append(f"address add 10.{100 + self.slot}.{network}.{LOGIN_NUMBER}/24 dev {device}")
            lines.append(f"link set {device} up")
        host.ip(*lines)
        files = [f"--{what}-file={self.folder}/munge/{what}" for what in ("key", "pid", "log", "seed")]
        socket = f"--socket={self.folder}/munge/munge.socket.2"
        self.run(LOGIN, "munged", "--force", socket, *files, user="root")
        self.run(LOGIN, "slurmctld", user="root")

    # Jobs

    def jobs(self, job_id: int | str) -> list[dict[str, str]]:
        """What Slurm says of a job; of each one of an array."""
        shown = self.run(LOGIN, "scontrol", "--oneliner", "show", "job", str(job_id), user="root").stdout
        return [dict(FIELD.findall(line)) for line in shown.splitlines() if line]

    def job(self, job_id: int | str) -> dict[str, str]:
        """What Slurm says of a job."""
        (job,) = self.jobs(job_id)
        return job

    def wait_for(self, job_id: int | str, states: str | Iterable[str], timeout: float = 120) -> dict[str, str]:
        """Wait until a job, or all of an array, is in one of these states; what Slurm says of it then."""
        wanted = {states} if isinstance(states, str) else set(states)

        def reached() -> bool:
            return all(job["JobState"] in wanted for job in self.jobs(job_id))

        self.wait_until(reached, timeout, f"job {job_id} is {' or '.join(sorted(wanted))}", job_id)
        return self.jobs(job_id)[0]

    def wake(self, job_id: int | str) -> None:
        """Let a job start in two seconds that Slurm holds back for two minutes after a requeue.

        A node refuses what was made out in the second in which it ended the first run. On a node that has just come
        back it would be killed: there the order to end its first run is still to come.
        """
        self.run(LOGIN, "scontrol", "update", f"JobId={job_id}", "StartTime=now+2", user="root")

    def wait_until(
        self, predicate: Callable[[], Any], timeout: float, what: str, job_id: int | str | None = None
    ) -> None:
        """Wait until something holds, or fail with what Slurm and the job have to say."""
        if not until(predicate, timeout, 0.5):
            raise AssertionError(f"not within {timeout:g} s: {what}\n{self.report(job_id)}")

    def report(self, job_id: int | str | None = None) -> str:
        """The present state of nodes and jobs, and the ends of logs."""
        commands = (("sinfo", "-N", "-o", "%N %T %E"), ("squeue",))
        parts = [self.run(LOGIN, *command, user="root", check=False).stdout for command in commands]
        parts.append(_tail(self.folder / "log/slurmctld.log", 20))
        for job in self.jobs(job_id) if job_id else []:
            parts.append(" ".join(f"{key}={job.get(key)}" for key in ("JobId", "JobState", "Reason", "ExitCode")))
            parts.append(_tail(Path(job.get("StdOut", "")), 40))
        return "\n".join(parts)

    # Looks

    def processes(self, host: str, user: str = "alice") -> list[Process]:
        """What a user runs on a host: number there, command line."""
        return Host(self.folder, host).processes(user)

    def listening(self, host: str, user: str | None = None) -> list[Listener]:
        """Ports that a user, or anyone, listens on at a host: port, owner, address."""
        return Host(self.folder, host).listening(user)

    def temp_files(self, host: str) -> list[str]:
        """Names in the host's /tmp, /var/tmp and /dev/shm."""
        return Host(self.folder, host).temp_files()

    def node_states(self) -> dict[str, str]:
        """Slurm's view of each node: ``idle``, ``allocated``, ``down*``..."""
        lines = self.run(LOGIN, "sinfo", "-h", "-N", "-p", "dc-gpu", "-o", "%N %T", user="root", check=False).stdout
        return dict(line.split() for line in lines.splitlines())

    def idle(self) -> bool:
        """Whether all nodes are up and have nothing to do."""
        states = self.node_states()
        return set(states) == set(self.nodes) and set(states.values()) == {"idle"}

    def wait_idle(self, timeout: float = 90) -> None:
        """Wait until all nodes are up and have nothing to do."""
        self.wait_until(self.idle, timeout, "all nodes are idle")

    def restore(self) -> None:
        """Undo all failures, cancel all jobs, remove what they left; for the next test."""
        for node in self.nodes:
            self._restore(node)
        # A node that Slurm can't reach is told only a minute later that its job is over: nodes first, jobs then.
        if not until(self._all_respond, 8):
            self._restart_daemons()
            self.wait_until(self._all_respond, 60, "all nodes respond")
        jobs = self.run(LOGIN, "squeue", "-h", "-o", "%A", user="root").stdout.split()
        if jobs:
            self.run(LOGIN, "scancel", *sorted(set(jobs)), user="root")
        self.wait_idle()
        for host in (LOGIN, *self.nodes):
            Host(self.folder, host).clear()

    def _restore(self, node: str) -> None:
        if not Host(self.folder, node).on:
            self.boot(node)
            return
        self.plug(node)
        if not self._has_daemon(node):
            self.start_slurmd(node)

    def _has_daemon(self, node: str) -> bool:
        return any(process.command.split()[:1] == ["slurmd"] for process in self.processes(node, "root"))

    def _all_respond(self) -> bool:
        states = self.node_states().values()
        return bool(states) and not any(state.endswith("*") or state.startswith(("down", "dr")) for state in states)

    def _restart_daemons(self) -> None:
        """A daemon that starts tells the controller so at once, which would else ask for it much later."""
        for node in self.nodes:
            if self._has_daemon(node):
                self.kill_slurmd(node)
            self.start_slurmd(node)
            if self.node_states()[node].startswith("dr"):
                self.run(LOGIN, "scontrol", "update", f"NodeName={node}", "State=RESUME", user="root")


def _tail(path: Path, lines: int) -> str:
    try:
        return f"== {path}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"== {error}"
