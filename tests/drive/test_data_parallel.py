"""Data-parallel scaling on a real local Ray, with real worker processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from raise_hpo.drive.cluster import LocalRay
from raise_hpo.drive.data_parallel import DataParallel, Failed, Timing
from raise_hpo.errors import UserError
from raise_hpo.study import StudySpec

from ..toys import Batches, Gradients, Line

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own warnings are not ours to mend


def study(**changes: Any) -> StudySpec:
    given = {"trainable": "tests.toys:Batches", "search_space": {"lr": "loguniform(1e-4, 1e-1)"}}
    return StudySpec.model_validate(given | changes)


def test_weak_and_strong_train_what_they_should(tmp_path: Path) -> None:
    record = tmp_path / "record"
    spec = study(data={"record": str(record)}, config={"width": 4})
    with LocalRay(cpus=3):
        found = list(DataParallel(spec, Batches, [1, 2, 3], ["weak", "strong"], batch=48).run(2, tmp_path))
    timings = [done for done in found if isinstance(done, Timing)]
    assert [(done.mode, done.workers, done.batch, done.nodes) for done in timings] == [
        ("weak", 1, 48, 1), ("strong", 1, 48, 1), ("weak", 2, 48, 1), ("strong", 2, 24, 1),
    ]  # fmt: skip
    for done in timings:
        assert len(done.seconds) == 2 and all(0 < seconds < 60 for seconds in done.seconds)
        assert done.samples_per_second is not None and done.samples_per_second > 0
    failed = [done for done in found if isinstance(done, Failed)]
    assert [(done.mode, done.workers, done.kind) for done in failed] == [("weak", 3, "error"), ("strong", 3, "error")]
    assert "three are a crowd" in failed[0].cause

    trained = [json.loads(line) for line in record.read_text().splitlines()]
    assert {epoch for _, _, epoch, _ in trained} == {0, 1, 2}
    sizes = {(workers, rank): [] for workers, rank, _, _ in trained}  # type: ignore[var-annotated]
    for workers, rank, epoch, batches in trained:
        if epoch == 1:
            sizes[workers, rank].append(batches)
    # 256 samples; a third of them is 85.
    assert sizes[1, 0] == [[48, 37], [48] * 5 + [16]]
    for rank in (0, 1):
        assert sizes[2, rank] == [[48, 37], [24] * 5 + [8]]


def test_validation_has_the_same_share_of_its_data(tmp_path: Path) -> None:
    from raise_hpo.trial.runner import TrialRunner
    from raise_hpo.trial.trainable import Place

    place = Place(data={"record": str(tmp_path / "record")}, parts=4)
    assert TrialRunner(Batches, Batches.defaults, place).epoch()["seen"] == 64.0


def test_nothing_is_left_running(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with LocalRay(cpus=1):
        runs = DataParallel(study(trainable="tests.toys:Line"), Line, [1], ["strong"])
        assert [done.workers for done in runs.run(1, tmp_path)] == [1]
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


@pytest.mark.parametrize(
    ("trainable", "changes", "words"),
    [
        (Line, {"workers": [1, 3]}, ["--workers 3", "batch of 32", "batch_size", "--batch", "--mode weak"]),
        (Line, {"workers": [1, 3], "batch": 16}, ["--workers 3", "batch of 16"]),
        (Gradients, {}, ["--mode strong", "'batch_size'", "tests.toys:Gradients has no setting", "--mode weak"]),
        (Gradients, {"modes": ["weak"], "batch": 8}, ["--batch", "'batch_size'", "tests.toys:Gradients has no"]),
    ],
)
def test_a_batch_that_cannot_be_divided_is_one_sentence(trainable: type, changes: Any, words: list[str]) -> None:
    given = {"workers": [1, 2], "modes": ["weak", "strong"], "batch": None} | changes
    with pytest.raises(UserError) as raised:
        DataParallel(study(trainable=f"tests.toys:{trainable.__name__}"), trainable, **given)
    for word in words:
        assert word in str(raised.value)


def test_a_trainable_without_a_batch_size_scales_weakly() -> None:
    runs = DataParallel(study(trainable="tests.toys:Gradients"), Gradients, [1, 2], ["weak"])
    spec = runs.spec("weak", 2, Path())
    assert (spec.config, spec.parts) == ({"lr": 0.1}, 2)


def test_a_trainable_without_defaults_is_one_sentence() -> None:
    class Bare(Line):
        defaults: ClassVar = {}

    with pytest.raises(UserError, match="has no default configuration"):
        DataParallel(study(), Bare, [1], ["weak"])
