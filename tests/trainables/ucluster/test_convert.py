"""Readers of public files, on files of the public layout written here, quirks included."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from raise_hpo.errors import UserError
from trainables.ucluster import schema
from trainables.ucluster.convert import convert_files
from trainables.ucluster.jets import Momenta, record
from trainables.ucluster.lhco import heaviest_pairs, tau21

h5py = pytest.importorskip("h5py", reason="h5py is not installed: no HDF5 file to read")
needs_fastjet = pytest.mark.skipif(find_spec("fastjet") is None, reason="FastJet is not installed")
NAMES = (
    *("px", "py", "pz", "e", "erel", "pt", "ptrel", "eta", "etarel", "etarot", "phi", "phirel", "phirot"),
    *("deltaR", "costheta", "costhetarel", "pdgid"),
)
# The jets written here: kind (column of the flag), mass, constituents.
JETS = ((55, 80.4, 40), (56, 91.2, 50), (57, 172.5, 100), (57, 205.0, 80), (53, 90.0, 60), (54, 90.0, 30), (55, 8.0, 5))
KEPT = (0, 1, 2)


def hls4ml(path: Path, constituents: bool = True, width: int = 100) -> dict[str, Any]:
    """Write a file of the public layout; 17 names for 16 columns."""
    rng = np.random.default_rng(1)
    jets, inside = np.zeros((len(JETS), 59)), np.zeros((len(JETS), width, 16))
    for i, (flag, mass, size) in enumerate(JETS):
        size = min(size, width)
        pt = np.sort(rng.uniform(1, 50, size))[::-1]
        eta, phi = rng.normal(0.5, 0.2, size), rng.normal(3.1, 0.2, size)
        jets[i, [1, 2, 3, 48, 52, flag]] = 1000 + i, 0.5, mass, mass - 1, JETS[i][2], 1
        columns = dict.fromkeys(NAMES[:16], 0.0) | {
            **{"pt": pt, "e": pt * np.cosh(eta), "ptrel": pt / (1000 + i), "erel": pt * np.cosh(eta) / 1200},
            **{"eta": eta, "etarel": eta - 0.5, "phi": phi, "phirel": phi - 3.1},
            **{"deltaR": np.hypot(eta - 0.5, phi - 3.1), "costhetarel": rng.uniform(0.5, 1, size)},
        }
        for column, name in enumerate(NAMES[:16]):
            inside[i, :size, column] = columns[name]
    inside[1, 3, 15] = np.inf
    with h5py.File(path, "w") as file:
        file["jets"] = jets
        file["particleFeatureNames"] = np.array([f"j1_{name}".encode() for name in NAMES])
        file["jetImage"] = np.zeros((len(JETS), 2, 2))
        if constituents:
            file["jetConstituentList"] = inside
    return {"jets": jets, "inside": inside}


def test_hls4ml_jets_are_selected_and_put_in_our_order(tmp_path: Path) -> None:
    written = hls4ml(tmp_path / "a.h5")
    assert convert_files([tmp_path / "a.h5"], tmp_path / "out.parquet") == len(KEPT)
    table = pq.read_table(tmp_path / "out.parquet")
    assert {name: table.schema.field(name).type for name in schema.JET_COLUMNS} == schema.JET_COLUMNS
    assert table["label"].to_pylist() == [0, 1, 2]
    assert table["mass_cat"].to_pylist() == [7, 8, 16]
    assert table["n_const"].to_pylist() == [40, 50, 100]
    np.testing.assert_allclose(table["jet_mass_sd"], [79.4, 90.2, 171.5], rtol=1e-6)
    np.testing.assert_allclose(table["jet_e"], 1200, rtol=1e-5)
    np.testing.assert_allclose(table["jet_phi"], 3.1, rtol=1e-5)
    points = np.asarray(table["points"].combine_chunks().flatten()).reshape(-1, 100, 8)
    first = written["inside"][0]
    np.testing.assert_allclose(points[0, :40, 0], first[:40, 8], rtol=1e-6)
    np.testing.assert_allclose(points[0, :40, 1], first[:40, 11], rtol=1e-5)
    for ours, public in ((2, 5), (3, 3), (4, 6), (5, 4)):
        np.testing.assert_allclose(points[0, :40, ours], np.log(first[:40, public]), rtol=1e-5)
    np.testing.assert_allclose(points[0, :40, 7], first[:40, 15], rtol=1e-6)
    assert not points[0, 40:].any()
    assert points[1, 3, 7] == 0 and np.isfinite(points).all()


def test_categories_are_ucluster_intervals() -> None:
    edges = np.append(np.linspace(0, 200, 20), 10000)
    masses = np.array([0.0, 10.0, 80.4, 91.2, 172.5, 199.9, 200.0, 500.0])
    by_hand = [next(i for i in range(20) if edges[i] <= m < edges[i + 1]) for m in masses]
    assert schema.mass_category(masses).tolist() == by_hand


def test_a_file_without_constituents_is_passed_over(tmp_path: Path) -> None:
    hls4ml(tmp_path / "none.h5", constituents=False)
    hls4ml(tmp_path / "some.h5")
    seen: list[tuple[str, int, int]] = []
    count = convert_files(
        [tmp_path / "none.h5", tmp_path / "some.h5"], tmp_path / "out.parquet", lambda *step: seen.append(step)
    )
    assert count == len(KEPT)
    assert seen == [("none.h5", 1, 2), ("some.h5", 2, 2)]


def test_of_150_constituents_the_first_100_are_kept(tmp_path: Path) -> None:
    hls4ml(tmp_path / "a.h5", width=150)
    convert_files([tmp_path / "a.h5"], tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["n_const"].to_pylist() == [40, 50, 100]


@pytest.mark.parametrize(
    ("shape", "message"), [((7, 100, 15), "should be .7, constituents, 16."), ((6, 100, 16), "should be .7")]
)
def test_hls4ml_files_of_other_shapes(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    hls4ml(tmp_path / "a.h5", constituents=False)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["jetConstituentList"] = np.zeros(shape)
    with pytest.raises(UserError, match=message):
        convert_files([tmp_path / "a.h5"], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def lhco(path: Path, columns: int = 2101) -> np.ndarray:
    """Write a data frame in PyTables' fixed format: two hard jets in the first two events, one in the third."""
    values = np.zeros((3, columns))
    for event, jets in enumerate(
        ([(0.1, 0.0, 120.0), (0.2, 3.0, 60.0)], [(0, 1.0, 90.0), (1, -2.0, 300.0)], [(0, 0, 50)])
    ):
        particles = []
        for eta, phi, mass in jets:
            half = mass / 1000
            particles += [(500.0, eta + half, phi), (500.0, eta - half, phi), (100.0, eta, phi + 0.05)]
        values[event, : 3 * len(particles)] = np.array(particles).ravel()
    if columns == 2101:
        values[:, -1] = [0, 1, 1]
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group["block0_values"] = values
        group["axis0"] = np.arange(columns)
    return values


@needs_fastjet
def test_lhco_events_become_their_two_heaviest_jets(tmp_path: Path) -> None:
    lhco(tmp_path / "events.h5")
    assert convert_files([tmp_path / "events.h5"], tmp_path / "out.parquet") == 2
    table = pq.read_table(tmp_path / "out.parquet")
    assert {name: table.schema.field(name).type for name in schema.EVENT_COLUMNS} == schema.EVENT_COLUMNS
    assert table["label"].to_pylist() == [0, 1]
    assert table["n_const"].to_pylist() == [6, 6]
    masses = np.exp(np.array(table["globals"].to_pylist())[:, [0, 2]])
    np.testing.assert_allclose(masses, [[125, 68], [310, 95]], rtol=0.1)
    assert (masses[:, 0] > masses[:, 1]).all()
    category = np.array(table["point_cat"].to_pylist())
    for event, pair in enumerate(masses):
        by_hand = {next(i for i, edge in enumerate(schema.ANOMALY_MASS_EDGES) if edge >= mass) for mass in pair}
        assert set(category[event]) == {0, *by_hand}
    points = np.array(table["points"].to_pylist()).reshape(-1, 100, 8)
    np.testing.assert_allclose(np.exp(points[:, :6, 2]), [[500] * 4 + [100] * 2] * 2, rtol=1e-5)


@needs_fastjet
def test_black_boxes_have_no_truth(tmp_path: Path) -> None:
    lhco(tmp_path / "box.h5", columns=2100)
    convert_files([tmp_path / "box.h5"], tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["label"].to_pylist() == [0, 0]


def test_heaviest_pairs_leave_out_events_with_fewer() -> None:
    mass, event = np.array([20.0, 50.0, 30.0, 99.0, 9.0, 15.0, 11.0]), np.array([0, 0, 0, 1, 1, 2, 2])
    assert heaviest_pairs(mass, event).tolist() == [[1, 2], [5, 6]]
    assert heaviest_pairs(np.zeros(0), np.zeros(0, int)).shape == (0, 2)


@needs_fastjet
def test_subjettiness_tells_two_prongs_from_one() -> None:
    phi = np.array([0.4, -0.4, 0.41, -0.41, 0.02, -0.02, 0.03, 0.0, 0.0])
    inside = Momenta(np.cos(phi), np.sin(phi), np.zeros(9), np.ones(9))
    two, one, single = tau21(inside, np.array([4, 4, 1]))
    assert two < 0.1 < one and single == 0
    assert len(record(inside, np.array([4, 4, 1]))) == 3


def test_files_that_cannot_be_converted(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["image"] = np.zeros(3)
    hls4ml(tmp_path / "jets.h5")
    lhco(tmp_path / "events.h5")
    for names, message in (
        ([], "at least one"),
        (["missing.h5"], "no file"),
        (["text.h5"], "not a readable HDF5 file"),
        (["other.h5"], "holds image, neither"),
        (["jets.h5", "events.h5"], "holds events and .* jets"),
    ):
        with pytest.raises(UserError, match=message):
            convert_files([tmp_path / name for name in names], tmp_path / "out.parquet")
