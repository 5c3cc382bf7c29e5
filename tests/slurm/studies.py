"""A study on the cluster, as a user runs it: files in a home with a space and a letter outside ASCII, and commands."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.journal import Event, read

from .cluster import SlurmCluster

_TRAINABLE = '''
import os, socket, time
import torch
import raise_hpo


class Slow(raise_hpo.Trainable):
    """Its loss is a formula; each epoch that begins is noted in a file, to see what is trained twice."""

    defaults = {"lr": 0.1, "seconds": 1.0, "notes": "."}

    def build(self, config):
        self.config = config
        self.model = torch.nn.Linear(1, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config["lr"])

    def train_epoch(self):
        with open(self.config["notes"], "a") as notes:
            notes.write(f"{self.config['lr']!r} {self.epoch + 1} {time.time()} {socket.gethostname()}\\n")
        time.sleep(self.config["seconds"])
        if os.path.exists(f"{self.config['notes']}-breaks-on-{socket.gethostname()}"):
            raise RuntimeError("a bad GPU")
        return {}

    def validate(self):
        return {"val_loss": (self.config["lr"] - 0.3) ** 2 + 1.0 / (self.epoch + 1)}
'''

STUDY = {
    "trainable": "slow.py:Slow",
    "search_space": {"lr": "uniform(0.0, 1.0)"},
    "searcher": "random",
    "scheduler": "none",
    "max_epochs": 6,
    "budget": {"trials": 4},
    "resources": {"cpus": 16},
}


class ClusterStudy:
    """One study of a user on the cluster.

    Args:
        slurm: The cluster.
        user: Whose study.
        changes: Keys of the study file that differ from `STUDY`.
        seconds: Duration of an epoch.
    """

    def __init__(self, slurm: SlurmCluster, user: str = "alice", seconds: float = 1.0, **changes: Any) -> None:
        self.slurm = slurm
        self.user = user
        self.home = (
            slurm.shared / user / "studies of Zoë" / f"at {sum(1 for _ in (slurm.shared / user).rglob('slow.py'))}"
        )
        self.shell(f"mkdir -p '{self.home}'", cwd="/")
        config = {"seconds": seconds, "notes": str(self.home / "trained")}
        self._write("slow.py", _TRAINABLE)
        self._write("study.yaml", json.dumps({**STUDY, "config": config, **changes}))
        self.jobs: list[str] = []

    def _write(self, name: str, text: str) -> None:
        self.slurm.run(
            self.slurm.login, "bash", "-c", 'cat > "$1" <<< "$2"', "-", name, text, user=self.user, cwd=self.home
        )

    def shell(self, line: str, host: str | None = None, check: bool = True, **options: Any) -> str:
        """What a line of shell prints, run by the user."""
        options = {"user": self.user, "cwd": getattr(self, "home", "/"), **options}
        return self.slurm.run(host or self.slurm.login, "bash", "-c", line, check=check, **options).stdout

    def submit(self, options: str = "", reference: str = "study.yaml") -> list[str]:
        """Submit it to three nodes of the generic site; the jobs' numbers."""
        told = self.shell(
            f"raise-hpo submit {reference} --json --site generic --nodes 3 --cpus 16 --time 30 --lead 40 "
            f"--dashboard off {options}"
        )
        self.jobs += json.loads(told)["jobs"]
        return list(json.loads(told)["jobs"])

    @property
    def folder(self) -> StudyFolder:
        """The study's folder; the first one's if others were submitted from here."""
        folders = (self.home / "studies").iterdir()
        return StudyFolder(min(folders, key=lambda folder: (folder / "study.yaml").stat().st_mtime))

    def events(self, kind: str | None = None) -> list[Event]:
        """The journal so far."""
        if not self.folder.begun:
            return []
        return [event for event in read(self.folder.journal) if kind in (None, event["event"])]

    def history(self) -> History:
        """The fold of the journal so far."""
        return History(self.events())

    def output(self, job: str | None = None) -> str:
        """What a job printed; the first one's if not given."""
        path = self.folder.jobs / f"job-{job or self.jobs[0]}.out"
        return path.read_text() if path.exists() else ""

    # Waiting

    def wait_reports(self, count: int, timeout: float = 300) -> None:
        """Wait until so many epochs were reported."""
        self.wait(lambda: len(self.events("reported")) >= count, f"{count} epochs are reported", timeout)

    def wait_finished(self, timeout: float = 480) -> History:
        """Wait until the study is finished."""
        self.wait(lambda: self.history().state == "finished", "the study is finished", timeout)
        return self.history()

    def wait(self, predicate: Any, what: str, timeout: float) -> None:
        """Wait until something holds; fail with what there is to see."""
        try:
            self.slurm.wait_until(predicate, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None

    def told(self) -> str:
        """The ends of all outputs and logs of the jobs."""
        files = [*self.folder.jobs.glob("job-*.out"), *self.folder.jobs.glob("*/ray-*.log")]
        return "\n".join(f"== {file.name}\n" + "\n".join(file.read_text().splitlines()[-25:]) for file in files)

    # Judging

    def outcome(self) -> dict[int, tuple[float, str, dict[int, float]]]:
        """What an undisturbed run and a disturbed one must have in common: configurations, states, values."""
        return {t.number: (t.config["lr"], t.state, dict(t.values)) for t in self.history().trials}

    def check_nothing_was_trained_in_vain(self) -> None:
        """No epoch is reported twice, and none is trained again that a checkpoint in the journal already held."""
        reports = Counter((event["trial"], event["epoch"]) for event in self.events("reported"))
        assert max(reports.values()) == 1, f"reported twice: {reports}"
        lr_of = {t.number: repr(t.config["lr"]) for t in self.history().trials}
        saved = {(lr_of[e["trial"]], str(e["epoch"])): e["time"] for e in self.events("checkpointed")}
        for line in (self.home / "trained").read_text().splitlines():
            lr, epoch, began, host = line.split()
            assert float(began) <= saved.get((lr, epoch), float("inf")), f"trained again on {host}: {lr} epoch {epoch}"

    def hosts(self) -> set[str]:
        """The nodes on which trials ran."""
        return {stay.node for trial in self.history().trials for stay in trial.stays}


def what_is_left(slurm: SlurmCluster, user: str) -> dict[str, Any]:
    """Processes, ports and temporary files that a user still has on the nodes."""
    left: dict[str, Any] = {}
    for node in slurm.nodes:
        files = [name for name in slurm.temp_files(node) if re.search(r"rh-|ray|plasma", name)]
        processes = slurm.processes(node, user)
        listening = slurm.listening(node, user)
        if files or processes or listening:
            left[node] = (processes, listening, files)
    return left


def path_of(study: ClusterStudy, run: int = 0) -> Path:
    """The folder of one of the clusters of a study's jobs, in their order."""
    return sorted(study.folder.jobs.glob("*.*.*"), key=lambda path: path.stat().st_mtime)[run]
