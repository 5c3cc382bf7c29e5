"""What is in the source folders is in the installed package."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("raise_hpo", "trainables", "search_spaces")


def test_every_folder_of_modules_is_a_package() -> None:
    for package in PACKAGES:
        for module in (ROOT / package).rglob("*.py"):
            assert (module.parent / "__init__.py").is_file(), module


def test_every_file_that_is_no_module_is_declared_as_data() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts:
                inside = str(path.relative_to(ROOT / package))
                assert any(fnmatch(inside, pattern) for pattern in declared[package]), path
