"""One host of the cluster: a set of namespaces around a first process, seen through that process's /proc."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .settings import USERS
from .system import NAMESPACES, PATH, until

SCRIPT = Path(__file__).with_name("host.sh")
TEMPORARY = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
LISTEN = "0A"


class Process(NamedTuple):
    """A process of a host, with its number there."""

    pid: int
    command: str


class Listener(NamedTuple):
    """A TCP port that someone listens on."""

    port: int
    owner: str
    address: str


class Host:
    """A host by name; the object holds no state, so that another process can use the same host."""

    def __init__(self, run: Path, name: str) -> None:
        self.run = run
        self.name = name

    @property
    def pid(self) -> int:
        """The machine's number of the host's first process."""
        try:
            return int((self.run / "pids" / self.name).read_text())
        except FileNotFoundError:
            raise AssertionError(f"{self.name} is off") from None

    @property
    def on(self) -> bool:
        """Whether the host has power."""
        return bool(pids_of(self.run, self.name))

    @property
    def proc(self) -> Path:
        """What the machine's /proc says of the host's first process, with the host's file system and network."""
        return Path("/proc", str(self.pid))

    def switch_on(self) -> None:
        """Start the first process, and wait until the host's file system is as it should be."""
        marker = self.run / "pids" / self.name
        marker.unlink(missing_ok=True)
        log = self.run / "log" / f"host.{self.name}.log"
        # A shell between, which ends at once, so that nobody has to wait for the host's process.
        command = ["unshare", *NAMESPACES, "--fork", "bash", str(SCRIPT), self.name, str(self.run)]
        subprocess.run(
            ["bash", "-c", 'exec <&- >"$0" 2>&1; setsid "$@" &', str(log), *command], env={"PATH": PATH}, check=True
        )
        until(lambda: marker.exists() or not self.on, 60, 0.05)
        assert marker.exists(), f"{self.name} did not start: {log.read_text()}"

    def switch_off(self) -> None:
        """Kill the first process: the kernel kills all others of the host, and ends its namespaces."""
        kill(self.run, self.name)
        (self.run / "pids" / self.name).unlink(missing_ok=True)

    def entering(self, user: str, folder: str, command: tuple[str, ...]) -> list[str]:
        """The command line that runs a command on this host; it dies with the process that runs it."""
        identity = ["--reuid", user, "--regid", user, "--init-groups"] if user != "root" else []
        start = ["setpriv", *identity, "--pdeathsig", "KILL", "env", f"--chdir={folder}", *command]
        return ["nsenter", "--target", str(self.pid), *NAMESPACES, "--", *start]

    def ip(self, *lines: str) -> None:
        """Run commands of ``ip`` in the host's network."""
        command = ["nsenter", "--target", str(self.pid), "--net", "ip", "-batch", "-"]
        done = subprocess.run(command, input="\n".join(lines), env={"PATH": PATH}, capture_output=True, text=True)
        assert not done.returncode, f"ip on {self.name}: {done.stderr}\n{lines}"

    def processes(self, user: str) -> list[Process]:
        """What a user runs here."""
        uid = _uid(user)
        found = []
        for folder in (self.proc / "root/proc").glob("[0-9]*"):
            try:
                if folder.stat().st_uid == uid and (command := _command(folder)):
                    found.append(Process(int(folder.name), " ".join(command)))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return sorted(found)

    def listening(self, user: str | None = None) -> list[Listener]:
        """TCP ports that a user, or anyone, listens on."""
        found = {one for table in ("tcp", "tcp6") for one in _listeners(self.proc / "net" / table)}
        return sorted(one for one in found if user in (None, one.owner))

    def temp_files(self) -> list[str]:
        """Names in the host's own folders for temporary files, but for those that lead to folders of the machine."""
        kept = [Path(line) for line in (self.run / "kept").read_text().splitlines()]
        leading = {parent for path in kept for parent in (path, *path.parents)}
        found = {folder / name for folder in TEMPORARY for name in os.listdir(f"{self.proc}/root{folder}")}
        return sorted(map(str, found - leading))

    def clear(self) -> None:
        """Remove what jobs left behind: their processes and temporary files."""
        users = ",".join(map(str, USERS.values()))
        script = f'pkill -KILL -U {users}; rm -rf -- "$@"'
        subprocess.run(self.entering("root", "/", ("bash", "-c", script, "clear", *self.temp_files())), check=True)


def pids_of(run: Path, name: str | None = None) -> dict[int, list[str]]:
    """The processes that hold one host, or all hosts of a run folder, with their commands, whoever started them.

    A process has no command at the moment when it becomes another program: only two looks show that there is none.
    """
    return until(lambda: _holders(run, name), 0.1, 0.1)


def _holders(run: Path, name: str | None) -> dict[int, list[str]]:
    return {
        pid: command
        for pid, command in _commands()
        if len(command) > 3 and command[-1] == str(run) and command[-3].endswith(f"/{SCRIPT.name}")
        if name in (None, command[-2])
    }


def kill(run: Path, name: str | None = None) -> None:
    """Kill the first processes of hosts, and wait until all that ran on them is gone.

    ``unshare``, the parent of a first process, is left alone: it ends when the last process of the host has ended.
    """

    def killed() -> bool:
        found = pids_of(run, name)
        for pid, command in found.items():
            if command[0] == "bash":
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return not found

    assert until(killed, 60, 0.05), f"{name or run}: processes that can't be killed: {pids_of(run, name)}"


def _commands() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), _command(folder)
        except (FileNotFoundError, ProcessLookupError):
            continue


def _command(folder: Path) -> list[str]:
    return (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")


def _listeners(table: Path) -> Iterator[Listener]:
    for line in table.read_text().splitlines()[1:]:
        fields: list[Any] = line.split()
        if fields[3] == LISTEN:
            address, port = fields[1].split(":")
            yield Listener(int(port, 16), _name(int(fields[7])), _address(address))


def _address(text: str) -> str:
    """An address of /proc/net/tcp: words of four bytes, each turned round."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))


def _uid(user: str) -> int:
    return USERS[user] if user in USERS else pwd.getpwnam(user).pw_uid


def _name(uid: int) -> str:
    names = {number: name for name, number in USERS.items()}
    return names[uid] if uid in names else pwd.getpwuid(uid).pw_name
