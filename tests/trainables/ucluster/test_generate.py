"""Generation: reproducible, the same in several processes, and the physics of what comes out."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trainables.ucluster
from raise_hpo.errors import UserError
from tests.helpers import shared_data
from trainables.ucluster import schema
from trainables.ucluster.generate import Recipe, _block, generate, generate_file

SAMPLE = Path(trainables.ucluster.__file__).parent / "sample"
pytest.importorskip("pythia8mc", reason="Pythia is not installed (raise-hpo[generate]): nothing generated")
pytest.importorskip("fastjet", reason="FastJet is not installed (raise-hpo[generate]): nothing generated")
PEAKS = {0: (80.4, 5.0), 1: (91.2, 5.0), 2: (172.5, 9.0)}


def quick(**changes: object) -> Recipe:
    """A recipe that leaves no jet out."""
    base = {"process": "wzt", "events": 7, "seed": 4, "underlying_event": False, "mass_min": 0.0, "mass_max": 5000.0}
    return Recipe(**{**base, **changes})


def made(recipe: Recipe, jobs: int = 1) -> pa.Table:
    return pa.concat_tables(generate(recipe, jobs))


def peak(mass: np.ndarray, low: float, high: float) -> float:
    """The mean of the masses about the most frequent one."""
    counts, edges = np.histogram(mass, np.arange(low, high, 4.0))
    centre = edges[counts.argmax()] + 2
    return float(mass[np.abs(mass - centre) < 10].mean())


def points(table: pa.Table) -> np.ndarray:
    return np.asarray(table["points"].combine_chunks().flatten()).reshape(-1, 100, 8)


def test_the_same_recipe_gives_the_same_file(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        assert generate_file(quick(events=4), tmp_path / name) == 4
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_fewer_jets_are_the_first_of_more_and_another_seed_gives_others() -> None:
    few, more, other = made(quick(events=4)), made(quick(events=10)), made(quick(events=4, seed=5))
    assert few.equals(more.slice(0, 4))
    assert not few.equals(other)
    assert more["label"].to_pylist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


def test_processes_do_not_change_the_jets() -> None:
    recipe = quick(process="w", events=252)
    whole = made(recipe, jobs=2)
    assert len(whole) == 252
    # The second block, which another process has made, begins with jets that only its own number seeds.
    assert whole.slice(250).equals(_block(recipe, 1))
    assert whole.slice(0, 3).equals(made(quick(process="w", events=3)))


def test_jets_outside_the_mass_window_are_left_out() -> None:
    every, some = made(quick(events=40)), made(quick(events=40, mass_min=70.0, mass_max=100.0))
    mass = every["jet_mass"].to_numpy()
    inside = (mass >= 70) & (mass <= 100)
    assert 0 < inside.sum() < 40
    assert some.equals(every.filter(pa.array(inside)))


def test_quark_and_gluon_jets() -> None:
    table = made(quick(process="gq", events=40))
    assert table["label"].to_pylist() == [3, 4] * 20
    count = table["n_const_all"].to_numpy()
    assert count[::2].mean() > count[1::2].mean()


def test_jets_lie_in_the_window() -> None:
    table = made(quick(pt_min=500.0, pt_max=600.0, events=12, underlying_event=True))
    pt = table["jet_pt"].to_numpy()
    assert pt.min() > 500 and pt.max() < 600
    assert np.abs(table["jet_eta"].to_numpy()).max() < 2.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"process": "wx"}, "unknown jet 'x'; valid: w, z, t, g, q"),
        ({"process": ""}, "unknown jet ' '"),
        ({"process": "ww"}, "twice"),
        ({"events": 0}, "events is 0, it must be at least 1"),
        ({"seed": -1}, "seed is -1"),
        ({"pt_max": 100.0}, "pt_max is 100.0"),
        ({"mass_min": 90.0, "mass_max": 80.0}, "mass_max is 80.0"),
    ],
)
def test_impossible_recipes(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        quick(**change)


def assert_mass_is_that_of_the_constituents(table: pa.Table) -> None:
    """Where all constituents are kept, their four-momenta add up to the jet's mass."""
    x = points(table)
    eta, phi = (table[name].to_numpy()[:, None] + x[..., column] for name, column in (("jet_eta", 0), ("jet_phi", 1)))
    there = x[..., 7] > 0
    pt, energy = (np.where(there, np.exp(x[..., column].astype(float)), 0) for column in (2, 3))
    momentum = [(pt * part).sum(1) for part in (np.cos(phi), np.sin(phi), np.sinh(eta))]
    mass = np.sqrt(np.maximum(energy.sum(1) ** 2 - sum(part**2 for part in momentum), 0))
    whole = table["n_const_all"].to_numpy() <= schema.POINTS
    assert whole.mean() > 0.8
    np.testing.assert_allclose(mass[whole], table["jet_mass"].to_numpy()[whole], rtol=2e-3)


def assert_physical(table: pa.Table) -> None:
    x, there = points(table), points(table)[..., 7] > 0
    assert np.isfinite(x).all() and not x[~there].any()
    np.testing.assert_array_equal(there.sum(1), table["n_const"].to_numpy())
    assert (np.diff(np.where(there, x[..., 2], -99), axis=1) <= 0).all()
    assert set(np.unique(x[..., 7])) <= set(range(6))
    np.testing.assert_allclose(np.hypot(x[..., 0], x[..., 1]), x[..., 6], atol=1e-5)
    relative = np.log(table["jet_pt"].to_numpy())[:, None]
    np.testing.assert_allclose(np.where(there, x[..., 4], 0), np.where(there, x[..., 2] - relative, 0), atol=1e-4)
    np.testing.assert_array_equal(table["mass_cat"], schema.mass_category(table["jet_mass"].to_numpy()))
    assert_mass_is_that_of_the_constituents(table)


@pytest.mark.parametrize("name", ["train", "valid"])
def test_the_sample_is_physical(name: str) -> None:
    assert_physical(pq.read_table(SAMPLE / f"{name}.parquet"))


@pytest.mark.parametrize("column", ["jet_mass", "jet_mass_sd"])
def test_mass_peaks_of_the_sample_are_those_of_w_z_and_top(column: str) -> None:
    table = pq.read_table(SAMPLE / "train.parquet")
    mass, label = table[column].to_numpy(), table["label"].to_numpy()
    for kind, (expected, tolerance) in PEAKS.items():
        low, high = (60, 120) if kind < 2 else (130, 220)
        assert peak(mass[label == kind], low, high) == pytest.approx(expected, abs=tolerance)


def test_jets_made_independently_agree() -> None:
    """The shared jets have an underlying event, as have those made here; both sides' soft-drop masses peak alike."""
    ours = made(quick(process="t", events=60, pt_min=500.0, pt_max=1000.0, underlying_event=True))
    theirs = pq.read_table(shared_data("jets/wzt_t_0.parquet"))
    assert {name: theirs.schema.field(name).type for name in schema.JET_COLUMNS} == schema.JET_COLUMNS
    assert_physical(theirs)
    assert_physical(ours)
    for column, tolerance in (("jet_mass", 0.12), ("n_const_all", 0.12), ("jet_pt", 0.12)):
        medians = [float(np.median(table[column].to_numpy())) for table in (ours, theirs)]
        assert medians[0] == pytest.approx(medians[1], rel=tolerance), column


def test_the_sample_has_the_checksums_of_its_recipe() -> None:
    listed = dict(reversed(m) for m in re.findall(r"([0-9a-f]{64})  (\S+)", (SAMPLE / "RECIPE.md").read_text()))
    assert sorted(listed) == ["train.parquet", "valid.parquet"]
    for name, checksum in listed.items():
        assert hashlib.sha256((SAMPLE / name).read_bytes()).hexdigest() == checksum


def test_the_samples_first_jets_come_again() -> None:
    stored = schema.provenance(SAMPLE / "valid.parquet")
    names = ("process", "seed", "pt_min", "pt_max", "mass_min", "mass_max", "underlying_event")
    again = made(Recipe(**{name: stored[name] for name in names}, events=6))
    shipped = pq.read_table(SAMPLE / "valid.parquet").slice(0, 6)
    np.testing.assert_allclose(points(again), points(shipped), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(again["jet_mass_sd"], shipped["jet_mass_sd"], rtol=1e-4)
