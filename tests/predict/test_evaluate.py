import json

import numpy as np
import pytest
from typer.testing import CliRunner

from raise_hpo.cli import app
from raise_hpo.curves import CurveTable
from raise_hpo.errors import UserError
from raise_hpo.predict.evaluate import Evaluation, Task, diverged, marks
from raise_hpo.space import SearchSpace
from tests.predict.curves import crossing, mlpf_curves

SPACE = SearchSpace.parse({"speed": "uniform(0, 1)", "end": "uniform(0, 1)"})


def _table(units, curves):
    configs = [dict(zip(SPACE.dimensions, map(float, unit), strict=True)) for unit in units]
    return CurveTable("made", SPACE, configs, curves)


def _retrained(count=40, times=3):
    units, curves = crossing(count)
    rng = np.random.default_rng(5)
    curves = np.repeat(curves, times, axis=0)
    return _table(np.repeat(units, times, axis=0), curves + 0.001 * rng.normal(size=curves.shape))


def test_a_task_knows_the_first_epochs_of_complete_rows():
    units, curves = crossing(30)
    curves[3, 7:] = np.nan
    curves[4, 2:] = np.inf
    curves[5, -1] = 40.0
    task = Task.of(_table(units, curves), 0.25)
    kept = np.delete(np.arange(30), [3, 4, 5])
    assert task.left_out == 3
    assert (task.curves == curves[kept, :5]).all()
    assert (task.finals == curves[kept, -1]).all()


def test_where_many_trials_end_badly_none_has_diverged():
    assert not diverged(np.array([1.0] * 90 + [50.0] * 10)).any()
    assert diverged(np.array([*np.linspace(1, 2, 99), 50.0])).sum() == 1


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("train", [20, 80])
def test_training_and_test_rows_are_disjoint_and_drawn_anew(grouped, train):
    task = Task.of(_retrained(), 0.25)
    splits = [task.split(1, number, train, grouped) for number in range(5)]
    for learn, test in splits:
        assert len(learn) == train
        assert not set(learn) & set(test)
        shared = set(task.groups[learn]) & set(task.groups[test])
        assert not shared or not grouped
    assert len({tuple(test) for _, test in splits}) == 5
    assert (task.split(1, 3, train, grouped)[1] == splits[3][1]).all()


def test_ungrouped_splits_leak_retrainings():
    task = Task.of(_retrained(), 0.25)
    learn, test = task.split(1, 0, 60, grouped=False)
    assert set(task.groups[learn]) & set(task.groups[test])


def test_too_many_training_curves_are_one_sentence():
    task = Task.of(_table(*crossing(30)), 0.25)
    with pytest.raises(UserError, match="28 training curves are too many: 30 curves are there"):
        next(Evaluation(task, {"last": {}}, (28,), 2).run())
    with pytest.raises(UserError, match="at least 10 are needed"):
        Task.of(_table(*crossing(9)), 0.25)


def test_marks_against_the_definitions():
    truth = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    predicted = truth[::-1].copy()
    r2, rank, hit = marks(truth, predicted)
    assert r2 == pytest.approx(1 - ((truth - predicted) ** 2).sum() / ((truth - 4.5) ** 2).sum())
    assert (rank, hit) == (-1.0, 0.0)
    assert marks(truth, truth) == (1.0, pytest.approx(1.0), 1.0)
    assert marks(truth, np.ones(8))[1] == 0.0


def test_all_predictors_have_the_same_splits_whatever_the_processes():
    task = Task.of(_table(*crossing(60)), 0.25)
    evaluation = Evaluation(task, {"svr": {}, "last": {}}, (20,), 3)
    alone, together = ([(score.r2, score.rank, score.hit) for score in evaluation.run(count)] for count in (1, 2))
    assert alone == together
    reduced = Evaluation(task, {"last": {}}, (20,), 3)
    assert next(reduced.run()).r2 == alone[1][0]


def test_scales_are_fitted_on_training_rows_alone():
    table = _table(*crossing(60))
    task = Task.of(table, 0.25)
    learn, test = task.split(1, 0, 20, grouped=False)
    before = Evaluation(task, {"svr": {}}, (20,), 1)._one(20, "svr", 0)[:3]
    others = np.setdiff1d(np.arange(60), np.concatenate([learn, test]))
    task.curves[others] *= 100.0
    task.finals[others] *= 100.0
    assert Evaluation(task, {"svr": {}}, (20,), 1)._one(20, "svr", 0)[:3] == before


@pytest.fixture
def curves_file(tmp_path):
    path = tmp_path / "curves.parquet"
    _retrained().write(path)
    return str(path)


def _evaluate(*arguments):
    result = CliRunner().invoke(app, ["predict", "evaluate", *arguments], catch_exceptions=False)
    return result


def test_the_command_prints_the_talks_table(curves_file):
    shown = _evaluate("--curves", curves_file, "--train", "20,40", "--splits", "3", "--grouped").output
    assert "120 curves of 40 configurations (0 left out), 5 epochs known, 3 grouped splits" in shown
    for word in ("best", "worst", "mean", "std", "rank", "last's", "hit", "fit ms", "svr"):
        assert word in shown


def test_the_command_as_json(curves_file):
    arguments = ["--curves", curves_file, "--train", "40", "--splits", "2", "--predictor", "qsvr,svr-committee"]
    document = json.loads(_evaluate(*arguments, "--points", "2x10", "--json").output)
    assert [score["predictor"] for score in document["scores"]] == ["qsvr", "svr-committee", "last"]
    assert all(score["splits"] == 2 for score in document["scores"])
    assert document["scores"][0]["mean"] > document["scores"][-1]["mean"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--predictor", "svm"], "--predictor: 'svm' is unknown, did you mean 'svr'?"),
        (["--train", "20,x"], "--train is '20,x'; valid: whole numbers"),
        (["--train", "1"], "--train is '1'; valid: whole numbers from 2 on"),
        (["--points", "20"], "--points is '20'; valid: machines x training curves of each"),
        (["--train", "500"], "500 training curves are too many"),
    ],
)
def test_mistakes_are_one_sentence(curves_file, arguments, words):
    with pytest.raises(UserError, match=words.replace("?", r"\?")) as caught:
        _evaluate("--curves", curves_file, "--splits", "1", *arguments)
    assert "\n" not in str(caught.value)


def test_svr_on_real_curves_beats_the_last_value_in_r2_and_rank():
    task = Task.of(CurveTable.read(mlpf_curves()), 0.25)
    assert (len(task.finals), task.groups.max() + 1, task.left_out) == (295, 183, 1)
    svr, last = (score.summary() for score in Evaluation(task, {"svr": {}, "last": {}}, (100,), 12, True, 9).run())
    assert svr["mean"] > 0.9 > 0.8 > last["mean"]
    assert svr["worst"] > 0.8
    assert svr["rank"] > last["rank"] > 0.9


def test_the_talks_protocol_is_better_served_by_the_last_value_than_by_its_model():
    task = Task.of(CurveTable.read(mlpf_curves()), 0.25, "talk")
    models = {"talk-svr": {"scaled": True}, "qsvr": {}, "svr-committee": {}, "last": {}}
    talk, annealed, classical, last = (score.summary()["mean"] for score in Evaluation(task, models, (80,), 5).run())
    assert annealed == pytest.approx(classical, abs=0.02)
    assert min(annealed, classical) > 0.92
    assert last > talk > 0.85
