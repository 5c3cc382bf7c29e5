"""MLflow from the journal: on a real SQLite store, on a real server with outages, and with a store that misbehaves."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.journal import Event, JournalError, encode, read
from raise_hpo.track import Tracker, missing_events, send
from raise_hpo.track.cursor import Cursor
from raise_hpo.track.send import GaveUp, Sender
from raise_hpo.track.server import MlflowServer, free_port
from raise_hpo.track.tail import JournalTail
from raise_hpo.track.updates import RunUpdate, Translator, metric_name
from tests.report.studies import make_study

TABLES = {
    "metrics": "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics ORDER BY 1, 2, 3, 4, 5",
    "params": "SELECT run_uuid, key, value FROM params ORDER BY 1, 2",
    "tags": "SELECT run_uuid, key, value FROM tags ORDER BY 1, 2",
    "runs": "SELECT run_uuid, name, status, start_time, end_time FROM runs ORDER BY start_time, name",
    "versions": "SELECT name, version, run_id, source FROM model_versions ORDER BY 2",
}


def rows(database: Path, table: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(database) as connection:
        return list(connection.execute(TABLES[table]))


def everything(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(database, table) for table in TABLES}


def track(folder: StudyFolder, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raise_hpo.track", str(folder.path), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def expected_metrics(events: list[Event]) -> Counter[tuple[str, int]]:
    """How many values the journal has of each metric at each epoch, over all trials."""
    reports = [event for event in events if event["event"] == "reported"]
    return Counter((name, event["epoch"]) for event in reports for name in event["metrics"])


def found_metrics(database: Path) -> Counter[tuple[str, int]]:
    return Counter((key, step) for _, key, step, *_ in rows(database, "metrics") if not key.startswith("best_"))


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A finished study with report and best checkpoint, sent to SQLite, in a folder with an awkward name."""
    folder = make_study(tmp_path_factory.mktemp("studies of Zoë #1 50%") / "mlpf-3")
    folder.report.write_text("<p>report</p>")
    folder.best.mkdir()
    (folder.best / "checkpoint.pt").write_bytes(b"weights")
    done = track(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def test_one_run_a_study_and_one_a_trial(sent: StudyFolder) -> None:
    history, runs = sent.history(), rows(sent.mlflow, "runs")
    assert len(runs) == 1 + len(history.trials)
    status = {name: (state, end) for _, name, state, _, end in runs}
    assert status["mlpf-3"] == ("FINISHED", round(history.sessions[-1][1] * 1000))
    words = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
    assert all(status[f"trial {trial.number}"][0] == words[trial.state] for trial in history.trials)
    tags = rows(sent.mlflow, "tags")
    parent = next(run for run, name, *_ in runs if name == "mlpf-3")
    assert Counter(value for _, key, value in tags if key == "mlflow.parentRunId") == {parent: 18}
    assert {value for _, key, value in tags if key == "raise_hpo.trial"} == {
        str(trial.number) for trial in history.trials
    }
    assert {value for _, key, value in tags if key == "raise_hpo.study"} == {"mlpf-3"}


def test_every_metric_of_every_epoch_is_there_with_its_time(sent: StudyFolder) -> None:
    assert found_metrics(sent.mlflow) == expected_metrics(read(sent.journal))
    run = {name: run for run, name, *_ in rows(sent.mlflow, "runs")}
    stored = {(owner, key, step): (time, value) for owner, key, step, time, value, _ in rows(sent.mlflow, "metrics")}
    for trial in sent.history().trials:
        for epoch, value in trial.values.items():
            key = (run[f"trial {trial.number}"], "val_loss", epoch)
            assert stored[key] == (round(trial.times[epoch] * 1000), value)


def test_configurations_decisions_and_failures_are_there(sent: StudyFolder) -> None:
    run = {name: run for run, name, *_ in rows(sent.mlflow, "runs")}
    params, tags = (
        {(owner, key): value for owner, key, value in rows(sent.mlflow, table)} for table in ("params", "tags")
    )
    for trial in sent.history().trials:
        owner = run[f"trial {trial.number}"]
        told = {key: value for (one, key), value in params.items() if one == owner}
        assert told == {
            key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in trial.config.items()
        }
        if trial.failure:
            assert tags[owner, "raise_hpo.failure_kind"] == trial.failure[0]
            assert tags[owner, "raise_hpo.failure_cause"] == trial.failure[1]
        elif trial.state == "stopped":
            assert (tags[owner, "raise_hpo.decision"], tags[owner, "raise_hpo.why"]) == ("stop", trial.why)
    study = {key: value for (one, key), value in params.items() if one == run["mlpf-3"]}
    assert (study["trainable"], study["seed"], study["scheduler.asha.mode"], study["budget.trials"]) == (
        "mlpf", "3", "promotion", "18",
    )  # fmt: skip


def test_best_value_report_and_model_are_there(sent: StudyFolder) -> None:
    best = sent.history().best()
    assert best is not None
    last = max((step, value) for _, key, step, _, value, _ in rows(sent.mlflow, "metrics") if key == "best_val_loss")
    assert last[1] == best.value
    assert [path.read_text() for path in (sent.path / "mlartifacts").rglob("report.html")] == ["<p>report</p>"]
    assert [path.read_bytes() for path in (sent.path / "mlartifacts").rglob("checkpoint.pt")] == [b"weights"]
    ((name, version, run, source),) = rows(sent.mlflow, "versions")
    assert (name, version) == ("mlpf", 1)
    assert run in source and (run, f"trial {best.number}") in [row[:2] for row in rows(sent.mlflow, "runs")]
    assert missing_events(sent, sent.history().last_seq) == 0


@pytest.mark.parametrize("seq", [-1, 100])
def test_sending_again_changes_nothing(sent: StudyFolder, seq: int) -> None:
    """As after a kill between sending and writing the cursor, and after the cursor's loss."""
    before, cursor = everything(sent.mlflow), Cursor.load(sent)
    Cursor(seq=seq, uri=cursor.uri, run=cursor.run).save(sent)
    assert track(sent).returncode == 0
    assert everything(sent.mlflow) == before


def test_a_killed_sender_loses_and_doubles_nothing(sent: StudyFolder, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "mlpf-4")
    folder.path.mkdir()
    lines = sent.journal.read_bytes().splitlines(keepends=True)
    folder.journal.write_bytes(b"".join(lines[:60]) + lines[60][:20])
    tracker = Tracker(folder)
    tracker.start()
    assert tracker.process is not None
    wait_for(lambda: Cursor.load(folder).seq >= 59)
    folder.journal.write_bytes(b"".join(lines))
    time.sleep(1.1)
    os.killpg(tracker.process.pid, signal.SIGKILL)
    tracker.process.wait()
    assert tracker.process.stdin is not None
    tracker.process.stdin.close()
    assert track(folder).returncode == 0
    assert found_metrics(folder.mlflow) == expected_metrics(read(folder.journal))
    assert len(rows(folder.mlflow, "runs")) == 19


def test_a_dead_drivers_study_is_not_left_running(sent: StudyFolder, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "mlpf-5")
    folder.path.mkdir()
    lines = sent.journal.read_bytes().splitlines(keepends=True)
    folder.journal.write_bytes(b"".join(lines[:60]))
    running = [trial.number for trial in folder.history().trials if trial.state == "running"]
    assert running and track(folder).returncode == 0
    status = {name: state for _, name, state, *_ in rows(folder.mlflow, "runs")}
    assert status["mlpf-3"] == "KILLED"
    assert {status[f"trial {number}"] for number in running} == {"SCHEDULED"}
    folder.journal.write_bytes(b"".join(lines))
    assert track(folder).returncode == 0
    assert [row[1:] for row in rows(folder.mlflow, "runs")] == [row[1:] for row in rows(sent.mlflow, "runs")]


def test_outages_of_a_server_lose_and_double_nothing(sent: StudyFolder, tmp_path: Path) -> None:
    """The tracker starts before the server is up, and the server dies in the middle."""
    lines = sent.journal.read_bytes().splitlines(keepends=True)
    folder, home = StudyFolder(tmp_path / "mlpf-6"), StudyFolder(tmp_path / "server")
    folder.path.mkdir()
    home.path.mkdir()
    # A store with its tables made, so that the server is up sooner; it knows another folder's study already.
    shutil.copy(sent.mlflow, home.mlflow)
    known = len(rows(home.mlflow, "runs"))
    folder.journal.write_bytes(b"".join([_renamed(lines[0]), *lines[1:80]]))
    port = free_port(0)
    tracker = Tracker(folder, f"http://127.0.0.1:{port}")
    tracker.start()
    assert tracker.process is not None
    try:
        with MlflowServer(home, f"sqlite:///{home.mlflow}", port):
            wait_for(lambda: Cursor.load(folder).seq >= 79)
        with folder.journal.open("ab") as journal:
            journal.writelines(lines[80:])
        log = folder.logs / "mlflow.log"
        wait_for(lambda: log.read_text().count("trying again") == 2)
        with MlflowServer(home, f"sqlite:///{home.mlflow}", port):
            assert tracker.finish(60)
    finally:
        tracker.finish(0)
    assert len(rows(home.mlflow, "runs")) == known + 19
    twice = Counter({key: 2 * count for key, count in expected_metrics(read(folder.journal)).items()})
    assert found_metrics(home.mlflow) == twice
    assert missing_events(folder, read(folder.journal)[-1]["seq"]) == 0


def _renamed(line: bytes) -> bytes:
    """The first event as of another study of the same experiment."""
    from raise_hpo.journal import decode

    return encode({**(decode(line) or {}), "name": "mlpf-6"})


def test_the_tracker_outlives_ctrl_c_and_is_ended_when_it_takes_too_long(sent: StudyFolder, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "mlpf-7")
    folder.path.mkdir()
    shutil.copy(sent.journal, folder.journal)
    tracker = Tracker(folder, f"http://127.0.0.1:{free_port(0)}")
    tracker.start()
    assert tracker.process is not None
    assert os.getsid(tracker.process.pid) != os.getsid(0)
    assert tracker.finish(0.5) is False
    assert tracker.process.poll() is not None


def test_a_tracker_that_was_never_started_finishes(tmp_path: Path) -> None:
    assert Tracker(StudyFolder(tmp_path)).finish(1.0) is False


def test_ui_serves_the_study_on_loopback_and_leaves_no_process(sent: StudyFolder) -> None:
    command = [sys.executable, "-m", "raise_hpo", "ui", str(sent.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as ui:
        assert ui.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/#/experiments/\d+", ui.stdout.readline())
        assert address
        with urllib.request.urlopen(address[0], timeout=30) as answer:
            assert b"MLflow" in answer.read()
        children = _descendants(ui.pid)
        assert children
        ui.send_signal(signal.SIGINT)
        assert ui.wait(20) == 0
    wait_for(lambda: not [pid for pid in children if _alive(pid)], 5)


def _descendants(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def _alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_ui_names_what_is_missing(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "mlpf-8", reports=3)
    done = subprocess.run([sys.executable, "-m", "raise_hpo", "ui", str(folder.path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "study mlpf-8 is not in MLflow yet" in done.stderr and "raise_hpo.track" in done.stderr


def test_a_taken_port_is_refused_in_a_sentence() -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(UserError, match=r"--port \d+ cannot be used on 127\.0\.0\.1 \(address already in use\)"):
            free_port(holder.getsockname()[1])


# With a store that misbehaves


class Store:
    """Takes updates, after as many failures as it was told to have, and none while it is down."""

    failures: ClassVar[list[Exception]] = []
    down = False
    known = False

    def __init__(self, *args: Any) -> None:
        self.taken: list[RunUpdate] = []
        self.forgotten = 0
        self.closed = 0

    def run(self) -> str | None:
        return "id" if self.known or self.taken else None

    def forget(self) -> None:
        self.forgotten += 1

    def send(self, updates: list[RunUpdate]) -> list[str]:
        if self.down:
            raise ConnectionError("refused")
        if self.failures:
            raise self.failures.pop(0)
        self.taken += updates
        return []

    def close(self, history: Any) -> None:
        self.closed += 1


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Store]]:
    kind = type("FakeStore", (Store,), {"failures": [], "known": False})
    monkeypatch.setattr(send, "Store", kind)
    monkeypatch.setattr(send.Input, "wait", lambda self, seconds: None)
    yield kind


def test_failures_are_tried_again_and_told_once(
    store: type[Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.failures = [ConnectionError("refused\nlong trace")] * 3
    folder = make_study(tmp_path / "mlpf-3", reports=9)
    sender = Sender(folder, None, follow=False, patience=60)
    sender.run()
    assert isinstance(sender.store, store)
    assert sender.store.forgotten == 3 and sender.store.closed == 1
    assert capsys.readouterr().out.splitlines() == ["MLflow cannot be used now, trying again: ConnectionError: refused"]
    assert missing_events(folder, folder.history().last_seq) == 0


def test_patience_ends_with_a_sentence_and_the_rest_can_be_sent(store: type[Store], tmp_path: Path) -> None:
    folder = make_study(tmp_path / "mlpf 3", reports=9)
    store.down = True
    with pytest.raises(GaveUp, match=r"nothing is lost.*python -m raise_hpo.track '.*mlpf 3'"):
        Sender(folder, None, follow=False, patience=0.05).run()
    assert missing_events(folder, folder.history().last_seq) == folder.history().last_seq + 1
    store.down = False
    Sender(folder, None, follow=False, patience=0.05).run()
    assert missing_events(folder, folder.history().last_seq) == 0


def test_only_new_events_are_sent(store: type[Store], tmp_path: Path) -> None:
    folder = make_study(tmp_path / "mlpf-3", reports=9)
    last = folder.history().last_seq
    Cursor(seq=last - 1).save(folder)
    store.known = True
    sender = Sender(folder, None, follow=False, patience=1)
    sender.run()
    assert isinstance(sender.store, store)
    metrics = [metric for update in sender.store.taken for metric in update.metrics]
    assert len(metrics) <= 1 * 7


def test_a_store_that_does_not_know_the_study_gets_all_of_it(store: type[Store], tmp_path: Path) -> None:
    folder = make_study(tmp_path / "mlpf-3", reports=9)
    Cursor(seq=folder.history().last_seq, closed=folder.history().last_seq).save(folder)
    sender = Sender(folder, None, follow=False, patience=1)
    sender.run()
    assert isinstance(sender.store, store)
    assert sum(name == "val_loss" for update in sender.store.taken for name, *_ in update.metrics) == 9


def test_two_senders_do_not_send_at_once(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "mlpf-3", reports=3)
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    lock = str(folder.path / "mlflow.lock")
    with subprocess.Popen([sys.executable, "-c", hold, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        done = track(folder)
        other.stdin.close()
    assert done.returncode == 2
    assert "another process is sending study mlpf-3 to MLflow already" in done.stderr


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    done = track(StudyFolder(tmp_path))
    assert done.returncode == 2
    assert "holds no journal.jsonl" in done.stderr


# What MLflow is told


def test_the_same_events_make_the_same_updates_however_they_are_cut(tmp_path: Path) -> None:
    events = read(make_study(tmp_path / "mlpf-3").journal)
    whole, cut = Translator(), Translator()
    at_once = whole.updates(events)
    in_parts = [update for start in range(0, len(events), 7) for update in cut.updates(events[start : start + 7])]

    def merged(updates: list[RunUpdate], part: str) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for update in updates:
            value = getattr(update, part)
            if isinstance(value, list):
                found[update.trial] = found.get(update.trial, []) + value
            elif isinstance(value, dict):
                found[update.trial] = {**found.get(update.trial, {}), **value}
            elif value is not None or part == "ended":
                found[update.trial] = value
        return found

    for part in ("params", "tags", "metrics", "status", "ended", "name", "began"):
        assert merged(at_once, part) == merged(in_parts, part), part


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("val_loss", "val_loss"), ("sum-pT (%)", "sum-pT ___"), ("η/φ", "η/φ"), ("/", "_"), ("x" * 300, "x" * 250)],
)
def test_names_are_made_such_that_mlflow_takes_them(name: str, allowed: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    assert metric_name(name) == allowed
    _validate_metric_name(metric_name(name))


def test_the_tail_waits_for_a_line_to_be_whole(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    tail = JournalTail(journal)
    assert tail.read() == []
    one, two = (encode({"seq": seq, "event": "resumed", "time": 1.0}) for seq in (0, 1))
    journal.write_bytes(one + two[:10])
    assert [event["seq"] for event in tail.read()] == [0]
    assert tail.read() == []
    journal.write_bytes(one + two)
    assert [event["seq"] for event in tail.read()] == [1]
    assert tail.read() == []


def test_the_tail_refuses_damage_in_the_middle(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    one, two = (encode({"seq": seq, "event": "resumed", "time": 1.0}) for seq in (0, 1))
    journal.write_bytes(one.replace(b"resumed", b"rexumed") + two)
    with pytest.raises(JournalError, match="damaged at byte 0"):
        JournalTail(journal).read()
