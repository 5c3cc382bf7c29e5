import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raise_hpo.errors import UserError
from raise_hpo.predict.names import STOPPERS
from raise_hpo.schedule.names import SCHEDULERS
from raise_hpo.search.names import SEARCHERS
from raise_hpo.space import SearchSpace, SpaceError
from raise_hpo.space.grammar import FORMS, signature
from raise_hpo.study import StudyError, StudySpec, load_study_file
from raise_hpo.study.choices import OPTIONS
from raise_hpo.yaml_source import YamlError, dump_yaml, parse_yaml

SMALL = {"trainable": "mlpf", "search_space": {"lr": "loguniform(1e-4, 1e-2)", "seed": "choice([1, 2])"}}
FILE = """\
trainable: mlpf
search_space:
  lr: loguniform(1e-4, 1e-2)
  gnn.bin_size: choice([16, 32])
scheduler: {asha: {min_epochs: 3}}
resources:
  lr_scaling: off
config: {activation: elu}
data: {train: events.parquet, process: ttbar}
"""

plain = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=12)
plain |= st.sampled_from(
    ["1e-4", "2020-01-01", "off", "null", "0x1f", "a: b", "x\ny", "~", "~0", "~/x", "./x", "~0.csv", "a/b"]
)
mappings = st.dictionaries(st.text("abcd_1", min_size=1, max_size=4), plain | st.lists(plain, max_size=3), max_size=3)


@st.composite
def studies(draw):
    given = {"trainable": "mlpf", "search_space": draw(st.sampled_from(["mlpf", SMALL["search_space"]]))}
    optional = {
        "name": st.text("abcXYZ09._-", min_size=1, max_size=8).map(lambda text: f"a{text}"),
        "objective": st.fixed_dictionaries(
            {"metric": st.text(min_size=1, max_size=5), "mode": st.sampled_from(["min", "max"])}
        ),
        "searcher": st.sampled_from(SEARCHERS) | st.just({"grid": {"points": 5}}),
        "scheduler": st.sampled_from([name for name in SCHEDULERS if name != "bohb"])
        | st.just({"asha": {"min_epochs": 3, "mode": "promotion"}}),
        "stopper": st.sampled_from(STOPPERS),
        "max_epochs": st.integers(4, 500),
        "budget": st.sampled_from([{"trials": 3}, {"hours": 0.5}, {"epochs": 7, "hours": 2}]),
        "resources": st.sampled_from(
            [
                {"workers": 2},
                {"survivors": 4, "batch": "joint"},
                {"gpus": 0.5, "precision": "bf16", "lr_scaling": "sqrt"},
            ]
        ),
        "config": mappings.map(lambda config: {f"fixed.{key}": value for key, value in config.items()}),
        "data": mappings,
        "default": st.booleans(),
        "limits": st.just({"attempts": 1, "epoch_seconds": 60}),
        "tracking": st.just({"mlflow": "http://localhost:5000"}),
        "seed": st.integers(0, 2**40),
    }
    return given | draw(st.fixed_dictionaries({}, optional=optional))


@given(studies())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_resolved_study_loads_as_an_equal_one(tmp_path, given):
    study = StudySpec(**given)
    file = tmp_path / "study.yaml"
    file.write_text(study.to_yaml(), encoding="utf-8")
    again = load_study_file(file)
    assert again == study and again.resolved() == study.resolved()
    assert StudySpec.model_validate(json.loads(json.dumps(study.resolved()))) == study
    assert SearchSpace.parse(study.resolved()["search_space"]) == study.space


def test_defaults_are_filled():
    study = StudySpec(trainable="package.module:Net", search_space="mlpf")
    assert (study.name, study.objective.metric, study.objective.mode, study.seed) == ("Net", "val_loss", "min", 1)
    assert (study.max_epochs, study.budget.trials, study.budget.hours, study.default) == (100, 20, None, True)
    assert (study.searcher.name, study.scheduler.name, study.stopper.name) == ("curve", "curve", "none")
    assert study.scheduler.options == {"min_epochs": None, "reduction_factor": 3}
    assert next(iter(study.space.dimensions)) == "lr"


def test_studies_that_differ_are_not_equal():
    study = StudySpec(**SMALL)
    assert study != study.changed(seed=2)
    assert study != study.changed(search_space={"lr": "loguniform(1e-4, 1e-3)", "seed": "choice([1, 2])"})
    assert study == study.changed(search_space=study.space)
    assert study != "study"


def test_algorithms_are_written_short_or_with_options():
    study = StudySpec(**SMALL, searcher="random", scheduler={"asha": {"min_epochs": 2}}, stopper={"none": None})
    dumped = study.model_dump()
    assert (dumped["searcher"], dumped["stopper"]) == ("random", "none")
    assert dumped["scheduler"] == {"asha": {"min_epochs": 2, "reduction_factor": 3, "mode": "stopping"}}


def test_a_study_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        StudySpec(**SMALL).seed = 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_epochs": "ten"}, "max_epochs is 'ten', but must be a whole number"),
        ({"max_epochs": True}, "max_epochs is True, but must be a whole number"),
        ({"max_epochs": 2.5}, "max_epochs is 2.5, but must be a whole number"),
        ({"max_epochs": 0}, "max_epochs is 0, but must be at least 1"),
        ({"seed": -1}, "seed is -1, but must be at least 0"),
        ({"trainable": 3}, "trainable is 3, but must be text"),
        ({"trainable": ""}, "trainable is '', but must be a text that is not empty"),
        ({"name": "../x"}, "name is '../x', but must be letters"),
        ({"default": "yes"}, "default is 'yes', but must be true or false"),
        ({"searcer": "tpe"}, "searcer is an unknown key, did you mean 'searcher'? valid: trainable, name"),
        ({"searcher": "tep"}, "searcher 'tep' is unknown, did you mean 'tpe'? valid: random, grid, sobol, tpe, gp"),
        ({"searcher": ["tpe"]}, "searcher must be a name"),
        (
            {"scheduler": {"asha": {"min_epoch": 1}}},
            "scheduler.asha.min_epoch is an unknown key, did you mean 'min_epochs'",
        ),
        (
            {"scheduler": {"asha": {"reduction_factor": 1}}},
            "scheduler.asha.reduction_factor is 1, but must be at least 2",
        ),
        ({"scheduler": {"asha": {"mode": "stop"}}}, "scheduler.asha.mode is 'stop', did you mean 'stopping'?"),
        ({"scheduler": {"asha": 3}}, "scheduler.asha must be a mapping of options, not 3"),
        ({"scheduler": {"asha": {"min_epochs": 100}}}, "min_epochs is 100, but must be below max_epochs, which is 100"),
        ({"searcher": {"random": {"points": 3}}}, "searcher.random.points is an unknown key, valid: none"),
        ({"objective": {"mode": "minimum"}}, "objective.mode is 'minimum', did you mean 'min'? valid: min, max"),
        ({"objective": "val_loss"}, "objective is 'val_loss', but must be a mapping"),
        ({"budget": {}}, "budget needs at least one of trials, hours, epochs"),
        ({"budget": {"hours": 0}}, "budget.hours is 0, but must be above 0"),
        ({"budget": {"hours": float("nan")}}, "budget.hours is nan, but must be a finite number"),
        ({"budget": {"trails": 3}}, "budget.trails is an unknown key, did you mean 'trials'?"),
        (
            {"resources": {"lr_scaling": "lin"}},
            "resources.lr_scaling is 'lin', did you mean 'linear'? valid: off, linear, sqrt",
        ),
        (
            {"resources": {"workers": {"rung 0": 2, "rung 1": 3}}},
            "resources.workers.rung 1 is 3, but must be a multiple of the 2 workers before",
        ),
        (
            {"resources": {"workers": {"rung 1": 2}}, "scheduler": "none"},
            "resources.workers has rung 1, but scheduler none has no rungs; valid: workers: 1 for instance, or",
        ),
        (
            {"resources": {"workers": {"rung 5": 2}}, "scheduler": {"asha": {"min_epochs": 3}}},
            "resources.workers has rung 5; valid: rung 0 to rung 4, as scheduler asha has its rungs after the ep",
        ),
        ({"resources": {"workers": {"rung 1": 0}}}, "resources.workers.rung 1 is 0, but must be a whole number of at"),
        (
            {"resources": {"workers": {"rang 1": 2}}},
            "resources.workers.rang 1 is an unknown key, valid: rung 0 (the start",
        ),
        ({"resources": {"workers": {}}}, "resources.workers is {}, but must be a whole number of at least"),
        ({"resources": {"workers": "two"}}, "resources.workers is 'two', but must be a whole number of at least 1, or"),
        (
            {"resources": {"workers": 4, "survivors": 2}},
            "resources.survivors is 2, but must be at least 4, the most of workers",
        ),
        (
            {"resources": {"batch": "jiont"}},
            "resources.batch is 'jiont', did you mean 'joint'? valid: per_worker, joint",
        ),
        (
            {"resources": {"batch": "joint", "lr_scaling": "linear"}},
            "resources.lr_scaling is 'linear', but must be off, because with batch: joint the joint batch does not",
        ),
        ({"config": {"lr": 1}}, "config.lr is fixed, but the search space has lr"),
        ({"config": {"seed": {"x": 1}}}, "config.seed.x is fixed, but the search space has seed"),
        ({"config": [1]}, "config is [1], but must be a mapping"),
        ({"data": {"day": datetime.date(2020, 1, 1)}}, "data holds datetime.date(2020, 1, 1)"),
        ({"data": {"classes": {1: "a"}}}, "data has the key 1, but keys must be text"),
        ({"search_space": 3}, "search_space is 3, but must be a name, a path, or a mapping"),
        ({"search_space": "mplf"}, "search_space 'mplf' is neither a name nor a file; did you mean 'mlpf'?"),
        ({"max_epochs": 0, "seed": -1, "x": 1}, "(and 2 more)"),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, monkeypatch, changes, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        StudySpec.model_validate(SMALL | changes)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_missing_key_and_a_bad_space_are_told():
    with pytest.raises(StudyError, match="search_space is missing"):
        StudySpec(trainable="mlpf")
    with pytest.raises(SpaceError, match="lr is uniform"):
        StudySpec(trainable="mlpf", search_space={"lr": "uniform(1, 0)"})
    with pytest.raises(StudyError, match="must be a mapping"):
        StudySpec.model_validate("mlpf")


def test_workers_by_rung_are_put_in_order_and_begin_with_one():
    study = StudySpec(**SMALL, scheduler="asha", resources={"workers": {"rung 2": 4, "rung 1": 2}, "survivors": 8})
    assert study.resources.workers == {"rung 0": 1, "rung 1": 2, "rung 2": 4}
    assert (study.resources.starting_workers, study.resources.elastic) == (1, True)
    assert study.resources.told() == "rung 0: 1, rung 1: 2, rung 2: 4, survivors: 8"
    fixed = [StudySpec(**SMALL, resources={"workers": workers}).resources for workers in (2, {"rung 0": 2})]
    assert [(each.starting_workers, each.elastic, each.told()) for each in fixed] == [(2, False, "2")] * 2


def test_bare_off_is_the_word(tmp_path):
    study = load_study_file(_write(tmp_path, FILE))
    assert study.resources.lr_scaling == "off"
    assert yaml.safe_load(study.to_yaml())["resources"]["lr_scaling"] == "off"


def test_domains_of_other_libraries_become_our_notation():
    from optuna.distributions import FloatDistribution

    study = StudySpec(trainable="mlpf", search_space={"opt": {"lr": FloatDistribution(1e-4, 1e-2, log=True)}})
    assert study.search_space == {"opt.lr": "loguniform(0.0001, 0.01)"}


def test_fixed_settings_are_nested():
    assert StudySpec(**SMALL, config={"gnn.layers": 2, "gnn.width": 3, "a": {}}).config == {
        "gnn": {"layers": 2, "width": 3},
        "a": {},
    }


def test_relative_paths_are_meant_from_here_in_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = StudySpec(**SMALL, data={"train": "a.parquet", "valid": "~/b", "process": "ttbar"})
    assert study.data == {"train": f"{tmp_path}/a.parquet", "valid": str(Path.home() / "b"), "process": "ttbar"}


def test_relative_paths_are_meant_from_the_study_file(tmp_path, monkeypatch):
    (tmp_path / "spaces.yaml").write_text("lr: uniform(0, 1)\n")
    for folder in ("sub/events", "ttbar"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "net.py").write_text("")
    text = (
        "trainable: net.py:Net\nsearch_space: spaces.yaml\n"
        "data: {train: [a.parquet, s3://b/c.parquet], valid: ./events,"
        " more: sub/events, process: ttbar, up: ../x, n: 3, abs: /d/e.h5}\n"
    )
    file = _write(tmp_path, text)
    monkeypatch.chdir("/")
    study = load_study_file(file)
    assert study.data == {
        "train": [f"{tmp_path}/a.parquet", "s3://b/c.parquet"],
        "valid": f"{tmp_path}/events",
        "more": f"{tmp_path}/sub/events",
        "process": "ttbar",
        "up": f"{tmp_path.parent}/x",
        "n": 3,
        "abs": "/d/e.h5",
    }
    assert study.search_space == f"{tmp_path}/spaces.yaml"
    assert (study.trainable, study.name, study.import_from) == (f"{tmp_path}/net.py:Net", "Net", str(tmp_path))


def _write(folder, text, name="study.yaml"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{min_epochs: 3}", "{min_epochs: x}", "study.yaml line 5: scheduler.asha.min_epochs is 'x'"),
        ("scheduler:", "shceduler:", "study.yaml line 5: shceduler is an unknown key, did you mean 'scheduler'"),
        ("lr_scaling: off", "workers: 0", "study.yaml line 7: resources.workers is 0, but must be at least 1"),
        (
            "lr_scaling: off",
            "lr_scalign: off",
            "study.yaml line 7: resources.lr_scalign is an unknown key, did you mean",
        ),
        (
            "loguniform(1e-4, 1e-2)",
            "loguniform(1e-2, 1e-4)",
            "study.yaml line 3: lr is loguniform(0.01, 0.0001), but the low",
        ),
        ("choice([16, 32])", "choice([])", "study.yaml line 4: gnn.bin_size is choice([])"),
        ("{activation: elu}", "{gnn: {bin_size: 3}}", "study.yaml line 8: config.gnn.bin_size is fixed, but"),
        ("resources:", "trainable: x\nresources:", "study.yaml line 6: trainable is given twice (first on line 1)"),
        ("  lr: log", "  lr: choice([1])\n  lr: log", "line 4: search_space.lr is given twice (first on line 3)"),
        ("{activation: elu}", "{activation: elu", "study.yaml line 9: is not valid YAML"),
        ("{activation: elu}", "!!python/object:os.system x", "study.yaml line 8: is not valid YAML"),
        ("{activation: elu}", "{1: elu}", 'line 8: the key 1 in config is not text; quote it ("1")'),
        ("{activation: elu}", "&a {x: *a}", "line 8: config.x contains itself"),
        ("{activation: elu}", "\x07", "has a character that YAML does not allow (code 7)"),
        ("trainable: mlpf\n", "", "study.yaml: trainable is missing"),
    ],
)
def test_mistakes_in_a_file_are_told_with_their_line(tmp_path, old, new, says):
    assert old in FILE
    with pytest.raises(UserError) as error:
        load_study_file(_write(tmp_path, FILE.replace(old, new, 1)))
    assert says in str(error.value) and "\n" not in str(error.value)


def test_the_first_mistake_in_the_file_is_told_and_the_others_counted(tmp_path):
    text = FILE.replace("mlpf", "3").replace("off", "no").replace("{min_epochs: 3}", "{min_epochs: 0}")
    with pytest.raises(UserError, match=r"study.yaml line 1: trainable is 3, .* \(and 1 more\)$"):
        load_study_file(_write(tmp_path, text))


@pytest.mark.parametrize(("text", "says"), [("", "is empty"), ("- 1\n", "not a list"), ("just text", "not a str")])
def test_files_that_hold_no_mapping(tmp_path, text, says):
    with pytest.raises(YamlError, match=says):
        load_study_file(_write(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(YamlError, match="not UTF-8"):
        load_study_file(tmp_path / "latin.yaml")
    _write(tmp_path, FILE)
    with pytest.raises(
        UserError, match=r"neither a study file nor a trainable's name \(in .*: study.yaml, latin.yaml\)"
    ):
        load_study_file(tmp_path / "stduy.yaml")
    with pytest.raises(UserError, match=r"a folder, not a study file \(in .*study.yaml"):
        load_study_file(tmp_path)


def test_a_missing_search_space_is_told_with_line_and_nearest(tmp_path):
    (tmp_path / "spaces.yaml").write_text("lr: uniform(0, 1)\n")
    file = _write(tmp_path, "trainable: mlpf\nsearch_space: space.yaml\n")
    with pytest.raises(UserError, match=r"study.yaml line 2: search_space 'space.yaml' is neither .*: spaces.yaml"):
        load_study_file(file)


def test_a_mistake_in_a_search_space_file_names_that_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("\nlr: uniform(0)\n")
    with pytest.raises(
        SpaceError, match=r"mine.yaml line 2: lr is 'uniform\(0\)', but the form is uniform\(low, high\)"
    ):
        load_study_file(_write(tmp_path, "trainable: mlpf\nsearch_space: mine.yaml\n"))


def test_overrides(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    given = [
        "budget.hours=2",
        "lr=loguniform(1e-5,1e-2)",
        "gnn.bin_size=16",
        "scheduler.asha.reduction_factor=4",
        "searcher.grid.points=5",
        "config.gnn.layers=[1, 2]",
        "data.train=mine.parquet",
        "objective={metric: auc, mode: max}",
    ]
    study = load_study_file(_write(tmp_path / "sub", FILE), given)
    assert (study.budget.trials, study.budget.hours) == (None, 2)
    assert study.space.to_dict() == {"lr": "loguniform(1e-05, 0.01)", "gnn.bin_size": "choice([16])"}
    assert study.scheduler.options["min_epochs"] == 3 and study.scheduler.options["reduction_factor"] == 4
    assert (study.searcher.name, study.searcher.options) == ("grid", {"points": 5})
    assert study.config == {"activation": "elu", "gnn": {"layers": [1, 2]}}
    assert study.data == {"train": f"{tmp_path}/mine.parquet", "process": "ttbar"}
    assert (study.objective.metric, study.objective.mode) == ("auc", "max")


def test_an_overriding_search_space_is_the_one_that_dimensions_are_overridden_in(tmp_path):
    study = load_study_file(_write(tmp_path, FILE), ["bin_size=choice([16, 32])", "search_space=mlpf_architecture"])
    assert study.space.to_dict()["bin_size"] == "choice([16, 32])" and len(study.space) == 10


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("lr", "--set lr: must be KEY=VALUE"),
        ("=3", "--set =3: must be KEY=VALUE"),
        ("lr=[1", "--set lr=[1: the value cannot be read"),
        ("budget.trails=3", "--set budget.trails=3: budget.trails is an unknown key, did you mean 'trials'"),
        ("lrr=3", "'lrr' is neither a dimension of the search space nor a key of the study, did you mean 'lr'"),
        ("max_epochs=many", "--set max_epochs=many: max_epochs is 'many', but must be a whole number"),
        ("lr=loguniform(1, 0)", "--set lr=loguniform(1, 0): lr is loguniform(1, 0), but the low bound"),
        ("config.lr=3", "--set config.lr=3: config.lr is fixed, but the search space has lr"),
        ("config.activation.x=3", "--set config.activation.x=3: config.activation.x is a key below activation"),
        ("stopper=svm", "--set stopper=svm: stopper 'svm' is unknown"),
        ("search_space=mplf", "did you mean 'mlpf'"),
        ("search_space.l=3", "did you mean 'lr'"),
        ("seed=3", "'seed' is both a key of the study and a dimension"),
    ],
)
def test_mistakes_in_overrides_name_the_override(tmp_path, override, says):
    text = FILE.replace("  lr:", "  seed: choice([1, 2])\n  lr:")
    with pytest.raises(UserError) as error:
        load_study_file(_write(tmp_path, text), [override])
    assert says in str(error.value) and "\n" not in str(error.value)


def test_an_ambiguous_override_can_be_made_clear(tmp_path):
    file = _write(tmp_path, FILE.replace("  lr:", "  seed: choice([1, 2])\n  lr:"))
    study = load_study_file(file, ["study.seed=7", "search_space.seed=2"])
    assert study.seed == 7 and study.space.to_dict()["seed"] == "choice([2])"


@given(
    st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    )
)
def test_yaml_reads_back_what_it_wrote(value):
    assert parse_yaml(dump_yaml({"value": value}), "text").data == {"value": value}


def test_yaml_numbers_dates_and_lines():
    document = parse_yaml("a: 1e-4\nb:\n  - x\n  - {c: 2020-01-01}\nd: 1.e5\n", "text")
    assert document.data == {"a": 1e-4, "b": ["x", {"c": "2020-01-01"}], "d": 1e5}
    assert [document.line(place) for place in (("a",), ("b", 1, "c"), ("b", 7, "z"), ("x",))] == [1, 4, 2, None]


@pytest.mark.parametrize("scheduler", ["bohb", {"bohb": {"min_epochs": 2}}, {"bohb": None}])
def test_the_scheduler_bohb_comes_with_its_searcher(scheduler):
    study = StudySpec(**SMALL, scheduler=scheduler)
    assert (study.searcher.name, study.scheduler.name) == ("bohb", "bohb")
    assert study.changed(seed=2).searcher.name == "bohb"
    with pytest.raises(StudyError) as error:
        StudySpec(**SMALL, scheduler=scheduler, searcher="tpe")
    assert str(error.value) == "study: searcher is tpe, but scheduler bohb needs bohb; or use scheduler: hyperband"
    assert StudySpec(**SMALL, searcher="bohb").scheduler.name == "curve"


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        ({"hyperband": {"min_epochs": 9}}, "hyperband.min_epochs is 9; valid: 1 to 8 (max_epochs is 9)"),
        ({"bohb": {"brackets": 4}}, "bohb.brackets is 4; valid: 1 to 3 (stages may end at the epochs 1, 3, 9)"),
        ({"swift_hyperband": {"known": 1.0}}, "swift_hyperband.known is 1.0, but must be below 1.0"),
        ({"median": {"grace_epochs": 9}}, "median.grace_epochs is 9; valid: 1 to 8 (max_epochs is 9)"),
    ],
)
def test_options_of_schedulers_must_fit_the_study(scheduler, words):
    with pytest.raises(StudyError) as error:
        StudySpec(**SMALL, scheduler=scheduler, max_epochs=9)
    assert str(error.value) == f"study: scheduler.{words}"


def test_yaml_aliases_are_read_and_merged():
    document = parse_yaml("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\n", "text")
    assert document.data["b"] == {"p": 1, "q": 2} and document.data["c"] == {"p": 1, "q": 3}


def test_importing_the_study_imports_nothing_heavy():
    heavy = ("ray", "torch", "optuna", "pandas", "mlflow")
    code = f"import sys, raise_hpo.study; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_documentation_tells_every_key_with_its_default():
    text = (Path(__file__).parent.parent / "docs" / "study-file.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    documented = parse_yaml(blocks[0], "docs").data
    assert set(documented) == set(StudySpec.model_fields)
    assert StudySpec(**documented) == StudySpec(trainable="mlpf", search_space="mlpf")
    assert len(SearchSpace.parse(parse_yaml(blocks[1], "docs").data["search_space"])) == 6
    options = {name for kind in OPTIONS for choice in kind.values() for name in choice.model_fields}
    assert all(
        f"`{name}`" in text
        for name in [*SEARCHERS, *SCHEDULERS, *STOPPERS, *map(signature, set(FORMS) - {"choice"}), *options]
    )
