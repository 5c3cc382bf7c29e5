"""Site profiles: ours, a user's own, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from raise_hpo.cluster.script import JobRequest
from raise_hpo.cluster.site import load_site, site_names
from raise_hpo.cluster.submit import check
from raise_hpo.errors import UserError
from raise_hpo.study import StudySpec

OURS = ["flatiron", "generic", "jupiter", "jureca-dc", "juwels-booster", "leonardo", "lumi", "perlmutter"]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of sites."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "raise-hpo" / "sites"
    folder.mkdir(parents=True)
    return folder


def test_all_sites_load() -> None:
    assert [name for name in site_names() if name in OURS] == OURS
    assert load_site("jureca-dc").host_suffix == "i"


def test_a_users_site_is_one_file_and_may_extend_ours(own: Path) -> None:
    (own / "mine.toml").write_text('extends = "jureca-dc"\naccount = "hep"\n')
    (own / "jureca-dc.toml").write_text('extends = "jureca-dc"\naccount = "mine"\n')
    mine = load_site("mine")
    assert (mine.name, mine.account, mine.partition) == ("mine", "hep", "dc-gpu")
    assert load_site("jureca-dc").account == "mine" and "mine" in site_names()


@pytest.mark.parametrize(
    "text, words",
    [
        ('title = "x"\npartion = "y"', "'partion' is unknown, did you mean 'partition'?"),
        ('title = "x"\ngpus = "four"', "gpus: input should be a valid integer"),
        ('title = "x"\ngpu_request = "--gres=gpu:4"', "must hold {gpus}"),
        ("title = x", "is not TOML"),
        ('extends = "nowhere"', "site 'nowhere' is unknown"),
        ("gpus = 4", "title: field required"),
    ],
)
def test_a_wrong_site_file_is_one_sentence(own: Path, text: str, words: str) -> None:
    (own / "mine.toml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_site("mine")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_site_names_those_there_are() -> None:
    with pytest.raises(UserError, match=r"site 'jureka' is unknown, did you mean 'jureca-dc'\?"):
        load_site("jureka")


def spec(**resources: object) -> StudySpec:
    return StudySpec(trainable="a:B", search_space={"lr": "uniform(0, 1)"}, resources=resources)


@pytest.mark.parametrize(
    "resources, request_, words",
    [
        ({}, {"account": None}, "bills jobs to a project"),
        ({}, {"hours": 25}, "is more than jureca-dc allows, 1-00:00:00"),
        ({"gpus": 5.0}, {}, "a worker asks for 5 GPU"),
        ({"cpus": 129.0}, {}, "a worker asks for 129 CPUs"),
        ({"gpus": 1.0, "workers": 9}, {"nodes": 2}, "have room for 8; give more --nodes"),
    ],
)
def test_what_a_site_cannot_serve_is_said_before_it_is_submitted(
    resources: dict[str, object], request_: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        check(spec(**resources), load_site("jureca-dc"), JobRequest(**{"account": "hep", **request_}))  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_what_fits_is_accepted() -> None:
    site = load_site("jureca-dc")
    check(spec(gpus=0.25, workers=32), site, JobRequest(nodes=2, account="hep", hours=24))
    check(spec(gpus=1.0, workers=8), site, JobRequest(nodes=2, account="hep"))
