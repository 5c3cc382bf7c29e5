from pathlib import Path

from raise_hpo.checkpoints import drop_surplus, keep_best
from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.journal import Event

from .helpers import simulator, spec


def played(folder: Path, reports: int | None = None) -> History:
    events: list[Event] = []
    simulator(spec(), events, slots=3).run(reports=reports)
    history = History(events)
    for trial in history.trials:
        if trial.checkpoint:
            file = folder / trial.checkpoint[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"trial {trial.number}")
    return history


def kept(folder: Path) -> set[int]:
    return {int(path.parent.name) for path in (folder / "checkpoints").glob("*/*")}


def test_at_the_end_the_best_finished_trials_keep_theirs(tmp_path: Path) -> None:
    history = played(tmp_path)
    drop_surplus(tmp_path, history, keep=2)
    finished = sorted((trial for trial in history.trials if trial.state == "finished"), key=lambda trial: trial.value)
    assert kept(tmp_path) == {trial.number for trial in finished[:2]}


def test_meanwhile_every_trial_that_may_go_on_keeps_its_own(tmp_path: Path) -> None:
    history = played(tmp_path, reports=30)
    drop_surplus(tmp_path, history, keep=1)
    alive = {
        trial.number for trial in history.trials if trial.state in ("running", "paused", "waiting") and trial.checkpoint
    }
    assert any(trial.state == "paused" for trial in history.trials)
    assert alive <= kept(tmp_path)


def test_the_best_is_copied_with_its_configuration(tmp_path: Path) -> None:
    history = played(tmp_path)
    keep_best(StudyFolder(tmp_path), history)
    best = history.best()
    assert best is not None
    assert (tmp_path / "best" / "checkpoint.pt").read_text() == f"trial {best.number}"
    assert f"layers: {best.config['layers']}" in (tmp_path / "best" / "config.yaml").read_text()
