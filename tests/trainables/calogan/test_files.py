"""Generation, event files and conversion: the same again from the same seed, and public quirks undone."""

import hashlib
import math
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import trainables.calogan
from raise_hpo.errors import UserError
from tests.helpers import shared_data
from trainables.calogan import schema, sources
from trainables.calogan.convert import convert_files
from trainables.calogan.generate import Recipe, generate, generate_file, shower
from trainables.calogan.schema import LEAST_CELL, Shower, read_showers, shower_shape, write_showers

SAMPLE = Path(trainables.calogan.__file__).parent / "sample"


def line_source(pdg, energy, theta, seed):
    """Deposits along the particle's way: a stand-in for a program of the user's."""
    steps = np.arange(0.05, 12.7, 0.1)[:, None]
    way = np.array(sources.start(theta)) + steps / math.sin(theta) * [0.0, math.cos(theta), math.sin(theta)]
    return np.hstack([way, np.full((len(way), 1), energy / 50 / len(way))])


def wrong_source(pdg, energy, theta, seed):
    return np.zeros((3, 3))


def quick(**changes):
    return Recipe(**{"events": 3, "seed": 4, "least_energy": 2.0, "most_energy": 5.0, **changes})


def test_the_sample_has_the_checksums_of_its_recipe_and_comes_again():
    listed = dict(reversed(m) for m in re.findall(r"([0-9a-f]{64})  (\S+)", (SAMPLE / "RECIPE.md").read_text()))
    assert {name: hashlib.sha256((SAMPLE / name).read_bytes()).hexdigest() for name in listed} == listed
    shipped, made = list(read_showers(SAMPLE / "valid.parquet")), schema.provenance(SAMPLE / "valid.parquet")
    assert len(shipped) == 64 and made.pop("generator").endswith("not Geant4")
    again = shower(Recipe(**made), 0)
    assert again.energy == pytest.approx(shipped[0].energy)
    assert again.cells.sum() == pytest.approx(shipped[0].cells.sum(), rel=0.05)


def test_the_sample_is_physical():
    showers = list(read_showers(SAMPLE / "train.parquet"))
    for one in showers:
        assert 10 <= one.energy <= 500 and one.theta == pytest.approx(math.pi / 2)
        assert one.cells[one.cells > 0].min() >= LEAST_CELL
    sampled = [one.cells.sum() / one.energy for one in showers]
    assert sum(sampled) / len(sampled) == pytest.approx(0.0217, rel=0.02)
    # Some begin late, and leak out at the back.
    assert max(sampled) < 0.027 and min(sampled) > 0.01


def test_more_processes_and_more_showers_make_the_same_ones(tmp_path):
    for name, events, jobs in (("one", 17, 1), ("two", 17, 2), ("first", 5, 1)):
        generate_file(quick(events=events), tmp_path / f"{name}.parquet", jobs)
    one, two, first = (list(read_showers(tmp_path / f"{name}.parquet")) for name in ("one", "two", "first"))
    assert len(one) == len(two) == 17
    for a, b in [*zip(one, two, strict=True), *zip(first, one[:5], strict=True)]:
        np.testing.assert_array_equal(a.cells, b.cells)
        assert a.energy == b.energy


def test_a_program_of_the_users_makes_the_showers():
    source = f"{__name__}:line_source"
    (straight,) = generate(quick(events=1, source=source))
    assert straight.cells.shape == (25, 25, 25) and straight.cells.sum() == pytest.approx(
        straight.energy / 50, rel=1e-5
    )
    assert straight.cells[12, 12].sum() == pytest.approx(straight.cells.sum())
    (tilted,) = generate(quick(events=1, source=source, least_angle=70.0, most_angle=70.0))
    assert tilted.cells.shape == (51, 51, 25)
    y = tilted.cells.sum(0).argmax(0)
    slope = (y[-1] - y[0]) / 24 * sources.CELL / sources.CALORIMETER.pitch
    assert slope == pytest.approx(1 / math.tan(tilted.theta), abs=0.05)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"particle": "electro"}, "unknown particle 'electro'.*electron"),
        ({"events": 0}, "events is 0, it must be at least 1"),
        ({"least_energy": 9.0}, r"energy from 9.0 to 5.0 GeV"),
        ({"most_angle": 170.0}, "angle from 90.0 to 170.0 degrees"),
        ({"cut_photon": 0.0}, "cut 'photon' is 0.0"),
        ({"source": "no.such:thing"}, "cannot use the source 'no.such:thing'"),
        ({"source": "nothing"}, "cannot use the source 'nothing'"),
        ({"source": f"{__name__}:wrong_source"}, r"shape \(3, 3\), it should be \(n, 4\)"),
    ],
)
def test_impossible_recipes_are_told(changes, words):
    with pytest.raises(UserError, match=words):
        list(generate(quick(**changes)))


def test_event_files_keep_showers_and_drop_the_smallest_cells(tmp_path):
    cells = np.random.default_rng(1).random((25, 25, 25)).astype(np.float32)
    cells[0, 0, :2] = 0.5e-6, 2e-6
    write_showers([Shower(cells, 12.5)], tmp_path / "a.parquet", {"made": "here"})
    (read,) = read_showers(tmp_path / "a.parquet")
    assert read.energy == 12.5 and read.cells[0, 0, 0] == 0 and read.cells[0, 0, 1] > 0
    np.testing.assert_array_equal(read.cells[1:], cells[1:])
    assert schema.provenance(tmp_path / "a.parquet") == {"made": "here"}
    with pytest.raises(UserError, match="7x7x7 cells; valid: 25x25x25 or 51x51x25"):
        write_showers([Shower(np.zeros((7, 7, 7), np.float32), 1.0)], tmp_path / "b.parquet", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("layout", ["target", "energy"])
def test_public_files_at_a_fixed_angle_are_read_in_both_layouts(tmp_path, layout):
    cells = np.random.default_rng(2).random((3, 25, 25, 25)).astype(np.float32)
    cells[0, 0, 0, 0] = 0.9e-6
    with h5py.File(tmp_path / "Ele.h5", "w") as file:
        file["ECAL"] = cells
        if layout == "target":
            file["target"] = np.array([[11, 50, 0], [11, 60, 0], [11, 70, 0]], np.float64)
        else:
            file["energy"] = np.array([[[1, 50]], [[1, 60]], [[1, 70]]], np.float64)
    assert convert_files([tmp_path / "Ele.h5"], tmp_path / "out.parquet") == 3
    found = list(read_showers(tmp_path / "out.parquet"))
    assert [one.energy for one in found] == [50, 60, 70]
    assert found[0].cells[0, 0, 0] == 0 and found[0].theta == pytest.approx(math.pi / 2)
    np.testing.assert_array_equal(found[1].cells, cells[1])


def test_showers_made_independently_are_read(tmp_path):
    files = {"fixed": "showers/fixed_50.h5", "angle": "showers/EleEscan_RandomAngle_300.h5"}
    for name, source in files.items():
        convert_files([shared_data(source)], tmp_path / f"{name}.parquet")
        for one in read_showers(tmp_path / f"{name}.parquet"):
            # The factor 50 of files with an angle is undone: the same sampling fraction.
            assert one.cells.sum() / one.energy == pytest.approx(0.022, rel=0.5)
    assert shower_shape(tmp_path / "angle.parquet") == (51, 51, 25)
    with pytest.raises(UserError, match="differ in shape"):
        shower_shape(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"HCAL": np.zeros((1, 2))}, "no data set 'ECAL'; it has HCAL"),
        ({"ECAL": np.zeros((1, 4, 4, 4))}, r"shape \(1, 4, 4, 4\)"),
        ({"ECAL": np.zeros((1, 25, 25, 25))}, "tells no primary energies"),
        ({"ECAL": np.zeros((1, 51, 51, 25)), "energy": np.ones(1)}, "tells no angles"),
        ({"ECAL": np.zeros((1, 25, 25, 25)), "target": np.ones((2, 2))}, "2 energies of 1 showers"),
        ({"ECAL": np.full((1, 25, 25, 25), -1.0), "target": np.ones((1, 2))}, "negative or not finite"),
    ],
)
def test_what_is_no_public_file_is_told(tmp_path, content, words):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in content.items():
            file[name] = values
    with pytest.raises(UserError, match=words):
        convert_files([tmp_path / "a.h5"], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_what_is_no_hdf5_is_told(tmp_path):
    (tmp_path / "a.h5").write_text("no")
    for name, words in (("a.h5", "not a readable HDF5 file"), ("b.h5", "no file"), ("a.txt", "no file")):
        with pytest.raises(UserError, match=words):
            convert_files([tmp_path / name], tmp_path / "out.parquet")
