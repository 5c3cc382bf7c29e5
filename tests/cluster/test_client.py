"""Sessions with a real cluster, from clients that close, are killed, come back or have the wrong token."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import raise_hpo
from raise_hpo.cluster.client import ClusterSession
from raise_hpo.cluster.link import connection_words
from raise_hpo.errors import UserError
from raise_hpo.journal import Event, read

from ..notebook import SINE
from .head import ROOT, Head, free_port

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own warnings are not ours to mend

STUDY: dict[str, Any] = {
    "trainable": "tests.toys:Line",
    "search_space": {"lr": "loguniform(1e-4, 1e-1)"},
    "searcher": "random",
    "scheduler": "none",
    "config": {"epoch_seconds": 0.3},
    "max_epochs": 6,
    "budget": {"trials": 4},
    "checkpoints": {"every": 3},
    "default": False,
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    with Head(4, tmp_path_factory.mktemp("cluster") / "studies of Zoë") as head:
        yield head


@pytest.fixture(scope="module")
def session(cluster: Head) -> Iterator[ClusterSession]:
    with raise_hpo.connect(cluster.address, token_file=cluster.token) as session:
        yield session


def client(code: str, folder: Path) -> subprocess.Popen[str]:
    """A client in a process and a folder of its own."""
    script = folder / "client.py"
    script.write_text(code)
    return subprocess.Popen(
        [sys.executable, script],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(true: Callable[[], Any], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.2)


def journal(cluster: Head, name: str) -> list[Event]:
    return read(cluster.studies / name / "journal.jsonl")


def assert_no_epoch_trained_twice(events: list[Event], handed_back_only: bool) -> None:
    """No epoch is reported twice, and no stay begins behind the last epoch where all left with a checkpoint."""
    reported = Counter((event["trial"], event["epoch"]) for event in events if event["event"] == "reported")
    assert set(reported.values()) == {1}
    last: dict[int, int] = {}
    for event in events:
        if event["event"] == "reported":
            last[event["trial"]] = event["epoch"]
        if event["event"] == "started" and handed_back_only:
            assert event["epoch"] == last.get(event["trial"], 0)


REFUSALS = """
import sys, time, json
import raise_hpo
address, closed, token, wrong = sys.argv[1:] or {arguments!r}
told = []
for place, file in [(address, wrong), (closed, token), (address, "nowhere"), ("127.0.0.1:1", token), (address, None)]:
    began = time.monotonic()
    try:
        raise_hpo.connect(place, token_file=file)
    except ValueError as error:
        told.append([str(error), time.monotonic() - began])
with raise_hpo.connect(address, token_file=token) as session:
    try:
        raise_hpo.connect(address, token_file=token)
    except ValueError as error:
        told.append([str(error), 0])
print(json.dumps(told))
"""


def test_what_does_not_fit_is_told_in_a_sentence_within_seconds_and_the_right_token_fits(
    cluster: Head, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("0" * 64)
    closed = f"ray://127.0.0.1:{free_port()}"
    arguments = [cluster.address, closed, str(cluster.token), str(wrong)]
    output, trouble = client(REFUSALS.format(arguments=arguments), tmp_path).communicate(timeout=120)
    assert output, trouble
    told, seconds = zip(*json.loads(output.splitlines()[-1]), strict=True)
    assert told[0] == f"the cluster at {cluster.address} refuses the token in {wrong}; each cluster has its own"
    assert told[1] == f"nothing listens at {closed}; is the cluster up, and its port forwarded to here?"
    assert told[2] == "token file nowhere cannot be read (No such file or directory)"
    assert told[3] == "address '127.0.0.1:1' must be of the form ray://HOST:PORT"
    assert "token" in told[4]
    assert told[5] == "this process is connected to a Ray cluster already; close that session first"
    assert max(seconds[1:]) < 8 and seconds[0] < 15  # the first one imports Ray


def test_other_versions_are_named() -> None:
    error = RuntimeError(
        "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.10.1\n"
        "This process on Ray Client was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    told = connection_words("ray://h:1", error)
    assert told.startswith("the cluster at ray://h:1 has Ray 2.9.0 and Python 3.10.1, this process has Ray ")


PAGE = (ROOT / "docs" / "client.md").read_text()


def test_the_session_of_the_page_with_a_class_of_a_notebook(cluster: Head, tmp_path: Path) -> None:
    first, again = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    submitted = '{"max_epochs": 3, "budget": {"trials": 4}, "searcher": "random"}, trainable=Sine, slots=2, '
    code = (first + again + "\n").replace('submit("mlpf", ', f"submit({submitted}")
    code = code.replace("session.close()", "print(repr(study.logs(0)))\nprint(study.best().epoch)\nsession.close()")
    code = code.replace("ray://127.0.0.1:10001", cluster.address).replace('"token"', repr(str(cluster.token)))
    assert code.count(cluster.address) == 2
    output, trouble = client(SINE + code, tmp_path).communicate(timeout=200)
    lines = output.splitlines()
    assert len(lines) == 5, trouble
    assert set(eval(lines[0])) == {"lr"}
    assert lines[1].endswith("RemoteStudy('first-look')]")
    assert eval(lines[2])["total"] == 4
    assert eval(lines[3]).count("an epoch of a sine") == 3
    assert lines[4] == "3"
    assert (cluster.studies / "first-look" / "trainable.pkl").stat().st_mode & 0o777 == 0o600


SUBMITS = """
import time
import raise_hpo
session = raise_hpo.connect({address!r}, token_file={token!r})
session.submit({study!r}, name="survivor", slots=2)
print("submitted", flush=True)
time.sleep(600)
"""


SHELL = """
from pathlib import Path
from raise_hpo.cli.submit_to import submit_to
submit_to("study.yaml", {address!r}, Path({token!r}), "shell", 2.0, json=True)
"""


def test_from_the_shell_with_a_class_in_a_file_that_the_cluster_does_not_have(
    cluster: Head, session: ClusterSession, tmp_path: Path
) -> None:
    (tmp_path / "sine.py").write_text(SINE)
    content = {"trainable": "sine.py:Sine", "search_space": {"lr": "loguniform(1e-4, 1e-1)"}, "searcher": "random"}
    (tmp_path / "study.yaml").write_text(json.dumps({**content, "max_epochs": 2, "budget": {"trials": 1}}))
    submitting = client(SHELL.format(address=cluster.address, token=str(cluster.token)), tmp_path)
    output, trouble = submitting.communicate(timeout=200)
    assert output, trouble
    assert json.loads(output)["study"] == "shell"
    (tmp_path / "sine.py").unlink()
    study = session.study("shell")
    assert study.wait(timeout=240) == "finished"
    best = study.best()
    assert best is not None and best.epoch == 2


def test_a_study_survives_its_client_and_its_driver(cluster: Head, session: ClusterSession, tmp_path: Path) -> None:
    code = SUBMITS.format(address=cluster.address, token=str(cluster.token), study=STUDY)
    submitting = client(code, tmp_path)
    assert submitting.stdout is not None
    assert submitting.stdout.readline() == "submitted\n"
    submitting.kill()
    submitting.communicate()
    study = session.study("survivor")
    until(lambda: sum(len(trial.values) for trial in study.trials()) >= 4)
    (driver,) = cluster.actors("StudyActor")
    driver.kill()
    assert study.wait(timeout=240) == "finished"
    status = study.status()
    assert status["state"] == "finished" and status["trials"]["finished"] == 4
    assert status["folder"] == str(cluster.studies / "survivor")
    best = study.best()
    assert best is not None and best.epoch == 6
    events = journal(cluster, "survivor")
    assert sum(event["event"] == "resumed" for event in events) == 1
    assert_no_epoch_trained_twice(events, handed_back_only=False)
    until(lambda: not cluster.actors("StudyActor"))


def test_two_studies_share_by_priority_and_one_stops(cluster: Head, session: ClusterSession) -> None:
    long = {**STUDY, "max_epochs": 60, "checkpoints": {"every": 60}, "budget": {"trials": 40}}
    low = session.submit(long, name="low", priority=1)
    until(lambda: sum(trial.state == "running" for trial in low.trials()) == 4)
    high = session.submit(long, name="high", priority=3)
    until(lambda: sum(trial.state == "running" for trial in high.trials()) == 3)
    assert sum(trial.state == "running" for trial in low.trials()) == 1
    assert slots(journal(cluster, "low"))[-1] == 1
    assert slots(journal(cluster, "high"))[-1] == 3
    assert sum(event["event"] == "handed_back" for event in journal(cluster, "low")) == 3
    with pytest.raises(TimeoutError, match="study high still runs after 0 seconds"):
        high.wait(timeout=0)
    high.stop()
    assert high.wait(timeout=120) == "stopped"
    until(lambda: sum(trial.state == "running" for trial in low.trials()) == 4)
    assert slots(journal(cluster, "low"))[-1] == 4
    low.stop()
    assert low.wait(timeout=120) == "stopped"
    for name in ("low", "high"):
        assert_no_epoch_trained_twice(journal(cluster, name), handed_back_only=True)
    with pytest.raises(UserError, match="study 'low' exists"):
        session.submit(STUDY, name="low")
    with pytest.raises(UserError, match="study low is not running"):
        low.stop()
    with pytest.raises(UserError, match="study low has no trial 99"):
        low.logs(99)


def slots(events: list[Event]) -> list[int]:
    return [event["slots"] for event in events if event["event"] == "capacity"]


def test_mistakes_are_told_by_the_session(cluster: Head, session: ClusterSession) -> None:
    with pytest.raises(UserError, match="no study 'loww'"):
        session.study("loww")
    with pytest.raises(UserError, match="priority is 0, but must be above 0"):
        session.submit(STUDY, priority=0)
    with pytest.raises(UserError, match=r"resources ask for 1 worker.s. of 99 CPU"):
        session.submit({**STUDY, "resources": {"cpus": 99}}, name="big")
    assert not (cluster.studies / "big").exists()


def test_either_an_address_or_a_job() -> None:
    with pytest.raises(UserError, match="either an address"):
        raise_hpo.connect()
