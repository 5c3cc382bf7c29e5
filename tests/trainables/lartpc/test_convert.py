"""Reading files of KevLAr and LArCV3: exactly, also one that real larcv wrote, and damaged ones with a sentence."""

import itertools

import h5py
import numpy as np
import pytest

from raise_hpo.errors import UserError
from tests.helpers import shared_data
from tests.trainables.lartpc import fakes
from trainables.lartpc.convert import convert_files, read_events, read_shape
from trainables.lartpc.kevlar import without_pedestal
from trainables.lartpc.readout import dense
from trainables.lartpc.schema import open_events, provenance

KINDS = ["e-", "e+", "proton", "pi0", "pi+", "pi-", "mu-", "mu+", "K+", "gamma"]


def images(count):
    return np.stack([fakes.image(i % 5, i) for i in range(count)]).astype(np.int32)


def kevlar(path, kinds=("gamma", "e+", "mu-", "pi+", "K+"), name="wires", chunk=2):
    """A file as KevLAr writes it: counts of ten kinds of primaries, images of int32 in compressed chunks."""
    pixels = images(len(kinds))
    with h5py.File(path, "w") as file:
        file.create_dataset(f"image/{name}", data=pixels, chunks=(chunk, *pixels.shape[1:]), compression="gzip")
        labels = file.create_dataset("label/type", data=[[kind == own for kind in KINDS] for own in kinds], dtype="i4")
        for column, kind in enumerate(KINDS):
            labels.attrs[f"label_index{column}"] = np.bytes_(kind)
    return path


def assert_images(events, expected, shape=(3, fakes.SIZE, fakes.SIZE)):
    for event, image in zip(events, expected, strict=True):
        assert (np.diff(event.image.pixels) > 0).all()
        np.testing.assert_array_equal(dense(event.image, shape), image)


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_kevlar_files_are_read_exactly(tmp_path, chunk):
    path = kevlar(tmp_path / "e.h5", chunk=chunk)
    events = list(read_events(path))
    assert_images(events, images(5))
    assert [event.pdg for event in events] == [22, -11, 13, 211, 321]
    assert [event.label for event in events] == [0, 1, 2, 3, 4]
    assert all(np.isnan(event.momentum) for event in events)


def test_kinds_that_are_no_class_are_left_out(tmp_path):
    path = kevlar(tmp_path / "e.h5", ("proton", "mu+", "pi0", "gamma"))
    with h5py.File(path, "a") as file:
        file["label/type"][3] += 1  # an event of ten particles
    (event,) = read_events(path)
    assert event.pdg == -13
    assert_images([event], images(2)[1:])


def test_raw_digits_lose_pedestal_and_noise(tmp_path):
    rng = np.random.default_rng(1)
    clean = images(1)[0] * (images(1)[0] >= 60)
    raw = clean + np.array([400, 2048, 473])[:, None, None] + np.rint(rng.normal(0, 2.5, clean.shape))
    path = kevlar(tmp_path / "e.h5", ("mu-",), "rawdigits", 1)
    with h5py.File(path, "a") as file:
        file["image/rawdigits"][0] = raw
    (event,) = read_events(path)
    found = dense(event.image, clean.shape)
    assert np.abs(found - clean)[clean > 0].max() < 15
    assert (found[clean == 0] != 0).mean() < 1e-3
    assert (without_pedestal(np.full((3, 8, 8), 400)) == 0).all()


def larcv3(path, planes=3, count=4):
    """A file as LArCV3 writes it, the planes of an event not in order, nor the voxels of a plane."""
    pixels = images(count)
    voxels, planes_of, first = [], [], 0
    for image, plane in itertools.product(pixels, range(planes)[::-1]):
        position = np.flatnonzero(image[plane])[::-1]
        voxels += [(int(p), float(image[plane].reshape(-1)[p])) for p in position]
        planes_of.append((first, len(position), plane))
        first += len(position)
    rows = np.dtype({"names": ["first", "N"], "formats": ["<u8", "<u4"], "offsets": [0, 8], "itemsize": 16})
    meta = np.dtype([("valid", "u1"), ("projection_id", "<u8"), ("number_of_voxels", "<u8", 2)])
    particle = np.dtype([("pdg", "<i4"), ("px", "<f8"), ("py", "<f8"), ("pz", "<f8")])
    with h5py.File(path, "w") as file:
        file["Events/event_id"] = np.zeros(count, "<i8")
        wires, truth = (file.create_group(f"Data/{name}_group") for name in ("sparse2d_wires", "particle_mctruth"))
        wires["extents"] = np.array([(planes * i, planes) for i in range(count)], rows)
        wires["voxel_extents"] = np.array(planes_of, [("first", "<u8"), ("N", "<u4"), ("ID", "<u4")])
        wires["voxels"] = np.array(voxels, [("id", "<u8"), ("value", "<f4")])
        wires["image_meta"] = np.array([(1, p, (fakes.SIZE, fakes.SIZE)) for _, _, p in planes_of], meta)
        truth["extents"] = np.array([(2 * i, 2) for i in range(count)], rows)
        truth["particles"] = np.array(
            [(pdg, 30.0, 40.0, 0.0) for code in (22, 11, -13, 2212)[:count] for pdg in (code, 12)], particle
        )
    return path


def test_larcv3_files_are_read_exactly(tmp_path):
    path = larcv3(tmp_path / "e.h5")
    events = list(read_events(path))
    assert_images(events, images(4)[:3])  # the fourth is a proton
    assert [(event.pdg, event.momentum) for event in events] == [(22, 50.0), (11, 50.0), (-13, 50.0)]
    assert read_shape(path) == (3, fakes.SIZE, fakes.SIZE)


def test_a_file_of_the_real_larcv_has_the_images_it_was_made_from():
    found = list(read_events(shared_data("lartpc/larcv3_real.h5")))
    given = list(itertools.islice(read_events(shared_data("lartpc/singles_512_300ev.h5")), 20))
    for event, other in zip(found, given, strict=True):
        np.testing.assert_array_equal(event.image.pixels, other.image.pixels)
        np.testing.assert_array_equal(event.image.values, other.image.values)
        assert (event.label, event.pdg) == (other.label, other.pdg)
        assert event.momentum == pytest.approx(other.momentum, abs=1e-3)


def test_full_images_of_another_generator_are_converted(tmp_path):
    source = shared_data("lartpc/singles_3600_5ev.h5")
    assert convert_files([source], tmp_path / "o.parquet") == 5
    files = open_events(tmp_path / "o.parquet")
    assert files.shape == (3, 3600, 3600)
    assert provenance(files.files[0])["converted"] == ["singles_3600_5ev.h5"]
    first = dense(next(files.events()).image, files.shape)
    with h5py.File(source) as file:
        for plane in range(3):
            np.testing.assert_array_equal(first[plane], file["image/wires"][0, plane])
    assert 5 * 3 * 3600**2 * 4 / (tmp_path / "o.parquet").stat().st_size > 1000


def test_files_are_joined(tmp_path):
    sources, told = [kevlar(tmp_path / "a.h5"), larcv3(tmp_path / "b.h5")], []
    assert convert_files(sources, tmp_path / "o.parquet", lambda *step: told.append(step)) == 8
    assert told == [("a.h5", 1, 2), ("b.h5", 2, 2)]
    assert_images(open_events(tmp_path / "o.parquet").events(), [*images(5), *images(3)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.__delitem__("label/type"), "has no 'label/type'"),
        (lambda file: file.__delitem__("image"), "neither a file of KevLAr"),
        (lambda file: file["label/type"].attrs.clear(), "no event of a single particle of our classes"),
    ],
)
def test_kevlar_files_with_something_missing_are_told(tmp_path, change, words):
    path = kevlar(tmp_path / "e.h5")
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UserError, match=words) as error:
        convert_files([path], tmp_path / "o.parquet")
    assert "e.h5" in str(error.value) and not (tmp_path / "o.parquet").exists()


def test_labels_of_another_length_are_told(tmp_path):
    path = kevlar(tmp_path / "e.h5")
    with h5py.File(path, "a") as file:
        short = file["label/type"][:3]
        del file["label/type"]
        file["label/type"] = short
    with pytest.raises(UserError, match=r"e\.h5' is damaged: .*\(5, 3, 81, 81\) and \(3, 10\)"):
        list(read_events(path))


def test_larcv3_files_with_mistakes_are_told(tmp_path):
    path = larcv3(tmp_path / "e.h5")
    with h5py.File(path, "a") as file:
        row = file["Data/sparse2d_wires_group/voxels"][0]
        row["id"] = fakes.SIZE**2
        file["Data/sparse2d_wires_group/voxels"][0] = row
    with pytest.raises(UserError, match="a voxel lies outside"):
        list(read_events(path))
    with h5py.File(path, "a") as file:
        del file["Data/particle_mctruth_group"]
    with pytest.raises(UserError, match="has no 'particle' among its products: sparse2d_wires_group"):
        list(read_events(path))


def test_images_of_different_shapes_are_told(tmp_path):
    first, second = kevlar(tmp_path / "a.h5"), kevlar(tmp_path / "b.h5")
    with h5py.File(second, "a") as file:
        del file["image/wires"]
        file["image/wires"] = np.zeros((5, 3, 8, 8), "i4")
    with pytest.raises(UserError, match=r"b\.h5' have the shape \(3, 8, 8\)"):
        convert_files([first, second], tmp_path / "o.parquet")


def test_what_is_no_hdf5_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no file .*none\.h5"):
        list(read_events(tmp_path / "none.h5"))
    whole = kevlar(tmp_path / "e.h5").read_bytes()
    for cut in (0, 10, 1000, len(whole) // 2):
        (tmp_path / "cut.h5").write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"cut\.h5' is not a readable HDF5 file"):
            list(read_events(tmp_path / "cut.h5"))
    with pytest.raises(UserError, match="no file to convert"):
        convert_files([], tmp_path / "o.parquet")
