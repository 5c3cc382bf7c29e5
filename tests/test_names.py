import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from raise_hpo import names
from raise_hpo.errors import UserError
from raise_hpo.names import (
    resolve_trainable,
    search_space_file,
    search_space_names,
    study_file,
    trainable_folder,
    trainable_names,
)
from raise_hpo.study import load_study_file

CLASS = "class {name}:\n    def build(self, config): ...\n    def train_epoch(self): ...\n    def validate(self): ...\n"


@pytest.fixture(autouse=True)
def _imports_are_undone():
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package ``zoo_of_models`` whose trainables are registered; importing most of them fails."""
    package = tmp_path / "site" / "zoo_of_models"
    for folder in ("zoo", "bare"):
        (package / folder).mkdir(parents=True)
        (package / folder / "__init__.py").write_text("raise RuntimeError('imported too early')\n")
        (package / folder / "trainable.py").write_text(CLASS.format(name="Zoo"))
    (package / "__init__.py").write_text("")
    (package / "zoo" / "study.yaml").write_text(
        "trainable: zoo\nsearch_space: {lr: 'uniform(0, 1)'}\ndata: {train: ./a}\n"
    )
    (package / "works.py").write_text(CLASS.format(name="Works"))
    values = {"zoo": "zoo_of_models.zoo.trainable:Zoo", "bare": "zoo_of_models.bare.trainable:Zoo"}
    values |= {"gone": "no_such_package.x:Y", "works": "zoo_of_models.works:Works"}
    points = EntryPoints(EntryPoint(name, value, names.GROUP) for name, value in values.items())
    monkeypatch.setattr(names, "entry_points", points.select)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return package


def test_installed_trainables_are_found_without_importing_them(installed):
    assert trainable_names() == ["bare", "gone", "works", "zoo"]
    assert trainable_folder("zoo") == installed / "zoo"
    assert trainable_folder("works") == installed
    assert trainable_folder("gone") is None and trainable_folder("other") is None
    assert not any(name.startswith("zoo_of_models.") for name in sys.modules)


def test_a_trainables_own_study_is_found_by_its_name(installed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert study_file("zoo") == installed / "zoo" / "study.yaml"
    study = load_study_file("zoo", ["seed=3"])
    assert (study.name, study.seed, study.data["train"]) == ("zoo", 3, str(installed / "zoo" / "a"))
    with pytest.raises(UserError, match=r"bare.* brings no study.yaml"):
        study_file("bare")
    with pytest.raises(UserError, match=r"'zooo' is neither .* did you mean 'zoo'\? valid: zoo$"):
        study_file("zooo")


def test_a_file_goes_before_a_name(installed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zoo").write_text("")
    assert str(study_file("zoo")) == "zoo"


def test_installed_trainables_are_imported_by_name(installed):
    assert resolve_trainable("works").__name__ == "Works"
    with pytest.raises(
        UserError, match=r"'zoo' cannot be imported: RuntimeError: imported too early \(.*__init__.py line 1\)"
    ):
        resolve_trainable("zoo")
    with pytest.raises(
        UserError, match="'gone' cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"
    ):
        resolve_trainable("gone")
    with pytest.raises(UserError, match=r"'zo' is unknown, did you mean 'zoo'\? .* or package.module:Class"):
        resolve_trainable("zo")


def test_a_module_is_looked_up_in_the_study_files_folder_then_here(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "my_sibling.py").write_text("width = 3\n")
    (tmp_path / "there" / "my_model.py").write_text("from my_sibling import width\n" + CLASS.format(name="There"))
    (tmp_path / "my_other.py").write_text(CLASS.format(name="Here"))
    monkeypatch.chdir(tmp_path)
    assert resolve_trainable("my_model:There", tmp_path / "there").__module__ == "my_model"
    assert resolve_trainable("my_other:Here", tmp_path / "there").__name__ == "Here"
    with pytest.raises(UserError, match="cannot be imported: ModuleNotFoundError: No module named 'absent'"):
        resolve_trainable("absent:Here")


def test_a_class_is_imported_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "my_sibling_of_file.py").write_text("width = 3\n")
    file = tmp_path / "my_file_model.py"
    file.write_text("from my_sibling_of_file import width\n" + CLASS.format(name="Net"))
    found = resolve_trainable(f"{file}:Net")
    assert found is resolve_trainable("my_file_model.py:Net", tmp_path)
    assert found.__module__ == "my_file_model" and sys.modules["my_file_model"].Net is found


@pytest.mark.parametrize("stem", ["json", "my-model", "2nd"])
def test_a_file_whose_name_is_taken_or_no_module_name_gets_its_own(tmp_path, stem):
    import json

    (tmp_path / f"{stem}.py").write_text(CLASS.format(name="Net"))
    found = resolve_trainable(f"{stem}.py:Net", tmp_path)
    assert found.__module__.startswith("trainable_") and sys.modules["json"] is json
    assert found is resolve_trainable(f"{stem}.py:Net", tmp_path)


@pytest.mark.parametrize(
    ("text", "attribute", "says"),
    [
        (CLASS.format(name="Network"), "Network_", "does not exist, did you mean 'Network'? valid: Network"),
        ("Net = 3\n", "Net", "is not a class, valid: none"),
        ("class Net:\n    def build(self, config): ...\n", "Net", "lacks train_epoch; it has"),
        ("class Net:\n    build = train_epoch = validate = 3\n", "Net", "lacks build, train_epoch"),
        ("import torchh\n", "Net", "ModuleNotFoundError: No module named 'torchh' ("),
        ("x = 1\ny = 1 / 0\n", "Net", "ZeroDivisionError: division by zero ("),
        ("def f(:\n", "Net", "SyntaxError: "),
        ("import sys\nsys.exit(3)\n", "Net", "SystemExit: 3"),
    ],
)
def test_what_is_no_trainable_is_told_why(tmp_path, text, attribute, says):
    (tmp_path / "broken_model.py").write_text(text)
    for name in (f"broken_model.py:{attribute}", f"broken_model:{attribute}"):
        with pytest.raises(UserError) as error:
            resolve_trainable(name, tmp_path)
        assert says in str(error.value) and "\n" not in str(error.value)
        assert str(error.value).startswith(f"trainable '{name}'")


def test_the_line_of_an_import_error_is_told(tmp_path):
    (tmp_path / "broken_line.py").write_text("x = 1\ny = 1 / 0\n")
    with pytest.raises(UserError, match=r"\(.*broken_line.py line 2\)$"):
        resolve_trainable("broken_line.py:Net", tmp_path)


def test_a_subclass_that_overrides_nothing_lacks_the_methods(tmp_path):
    (tmp_path / "empty_model.py").write_text("import raise_hpo\n\n\nclass Net(raise_hpo.Trainable):\n    pass\n")
    with pytest.raises(UserError, match="lacks build, train_epoch"):
        resolve_trainable("empty_model.py:Net", tmp_path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"there is no file .*absent_model.py"):
        resolve_trainable("absent_model.py:Net", tmp_path)


def test_search_spaces_by_name_and_path(tmp_path, monkeypatch):
    assert {"mlpf", "mlpf_architecture"} <= set(search_space_names())
    assert search_space_file("mlpf").name == "mlpf.yaml"
    (tmp_path / "mine.yaml").write_text("")
    assert search_space_file("mine.yaml", tmp_path) == tmp_path / "mine.yaml"
    monkeypatch.chdir(tmp_path)
    assert search_space_file("mine.yaml").is_file()
    with pytest.raises(UserError, match="did you mean 'mlpf'"):
        search_space_file("mlpff")
    with pytest.raises(UserError, match=r"mine\.yaml"):
        search_space_file("mime.yaml")
    with pytest.raises(UserError, match="neither a name nor a file"):
        search_space_file("../search_spaces/__init__")


@pytest.mark.parametrize("name", ["~nobody/study.yaml", "x" * 5000, "no/such/folder.yaml", ""])
def test_names_that_cannot_be_paths_are_told_too(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for find in (study_file, search_space_file, resolve_trainable):
        with pytest.raises(UserError) as error:
            find(name)
        assert "\n" not in str(error.value)
