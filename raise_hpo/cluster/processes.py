"""Ending processes by a mark in their environment, so that nobody else's are hit."""

from __future__ import annotations

import psutil


def carrying(variable: str, value: str) -> list[psutil.Process]:
    """This user's processes, but this one, in whose environment a variable has a value."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != psutil.Process().pid and process.environ().get(variable) == value:
                found.append(process)
        except psutil.Error:
            continue
    return found


def end(processes: list[psutil.Process], seconds: float = 3.0) -> None:
    """Ask processes to end, and kill those that have not after so many seconds."""
    for signalled in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            try:
                signalled(process)
            except psutil.NoSuchProcess:
                continue
        _, processes = psutil.wait_procs(processes, timeout=seconds)
