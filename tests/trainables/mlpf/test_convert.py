"""Reading public files: exactly, from damaged ones with a sentence, and never running what a file asks for."""

import bz2
import os
import pickle
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from raise_hpo.cli.data import data_app
from raise_hpo.errors import UserError
from tests.helpers import shared_data
from trainables.mlpf import schema
from trainables.mlpf.convert import convert_files, read_events
from trainables.mlpf.delphes_root import _convert


def given(name):
    return shared_data(f"mlpf/{name}")


def content(events=3):
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 6, events)
    widths = {"X": 12, "ygen": 7, "ycand": 7, "ygen_remaining": 7}
    return {name: [rng.normal(size=(n, width)) for n in sizes] for name, width in widths.items()}


def saved(path, value, protocol=4):
    data = pickle.dumps(value, protocol)
    path.write_bytes(bz2.compress(data) if path.name.endswith(".bz2") else data)
    return path


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("suffix", [".pkl", ".pkl.bz2"])
def test_public_pickles_are_read_exactly(tmp_path, protocol, suffix):
    given_events = content()
    events = list(read_events(saved(tmp_path / f"e{suffix}", given_events, protocol)))
    assert len(events) == 3
    for i, event in enumerate(events):
        np.testing.assert_array_equal(event.x, given_events["X"][i].astype(np.float32))
        np.testing.assert_array_equal(event.ygen, given_events["ygen"][i].astype(np.float32))
        np.testing.assert_array_equal(event.ycand, given_events["ycand"][i].astype(np.float32))
        assert event.npu == -1


def test_pickles_of_numpy_1_and_fortran_order_are_read(tmp_path):
    value = content()
    value["X"][0] = np.asfortranarray(value["X"][0])
    value["X"][1] = value["X"][1].astype(">f4")
    data = pickle.dumps(value, 3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core.multiarray" in data
    (tmp_path / "e.pkl").write_bytes(data)
    for event, x in zip(read_events(tmp_path / "e.pkl"), value["X"], strict=True):
        np.testing.assert_array_equal(event.x, x.astype(np.float32))


class Harm:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("where", ["top", "list", "array"])
def test_a_file_that_runs_code_is_refused_and_runs_nothing(tmp_path, protocol, where):
    mark = tmp_path / "mark"
    harm = Harm(os.mkdir, str(mark))
    hidden = np.array([harm], dtype=object)
    value = {"top": harm, "list": {**content(), "X": [harm]}, "array": {**content(), "X": [hidden]}}[where]
    path = saved(tmp_path / "e.pkl", value, protocol)
    with pytest.raises(UserError, match=r"e\.pkl' is not a readable pickle"):
        list(read_events(path))
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists()  # the file is harmful indeed


@pytest.mark.parametrize("function", [eval, getattr, __import__, np.load, np.memmap, pickle.loads])
def test_refused_function_is_named(tmp_path, function):
    path = saved(tmp_path / "e.pkl", Harm(function, "1"))
    with pytest.raises(UserError, match=re.escape(f"{function.__name__}', which is not part of an array")):
        list(read_events(path))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1, 2], "has no list 'X'"),
        ({"X": 3}, "has no list 'X'"),
        ({**content(), "X": [3, 4, 5]}, "'X' of .* should be a list of arrays of 12 columns"),
        ({**content(), "ygen": content()["X"]}, "'ygen' of .* should be a list of arrays of 7 columns"),
        ({**content(), "ycand": content()["ycand"][:2]}, "'ycand' and 'X' differ in length"),
        ({**content(), "X": [np.array(["a"])]}, "not plain numbers"),
        ({"X": content()["X"]}, "has no 'ygen'"),
    ],
)
def test_pickles_of_something_else_are_told(tmp_path, value, words):
    with pytest.raises(UserError, match=words) as caught:
        list(read_events(saved(tmp_path / "e.pkl", value)))
    assert "e.pkl" in str(caught.value)


@pytest.mark.parametrize("suffix", [".pkl", ".pkl.bz2"])
def test_truncated_pickles_are_told(tmp_path, suffix):
    whole = saved(tmp_path / f"e{suffix}", content()).read_bytes()
    for cut in [*range(0, 120), *range(120, len(whole), 97)]:
        (tmp_path / f"cut{suffix}").write_bytes(whole[:cut])
        with pytest.raises(UserError, match="is not a readable pickle") as caught:
            list(read_events(tmp_path / f"cut{suffix}"))
        assert f"cut{suffix}" in str(caught.value)


def test_missing_and_unknown_files_are_told(tmp_path):
    with pytest.raises(UserError, match=r"no file .*none\.pkl"):
        read_events(tmp_path / "none.pkl")
    (tmp_path / "e.csv").write_text("1")
    with pytest.raises(UserError, match=r"e\.csv'; names of valid files end in \.pkl\.bz2, \.pkl, \.root"):
        read_events(tmp_path / "e.csv")


def test_missing_candidates_are_nothing(tmp_path):
    value = {name: arrays for name, arrays in content().items() if name in ("X", "ygen")}
    for event in read_events(saved(tmp_path / "e.pkl", value)):
        assert event.ycand.shape == event.ygen.shape and (event.ycand == 0).all()


def test_command_joins_files(tmp_path):
    paths = [saved(tmp_path / f"{i}.pkl.bz2", content(i + 1)) for i in range(2)]
    result = CliRunner().invoke(data_app, ["convert", "mlpf", *map(str, paths), "--out", str(tmp_path / "o.parquet")])
    assert result.exit_code == 0, result.output
    table = schema.open_events(tmp_path / "o.parquet")
    assert len(table) == 3
    assert schema.provenance(table) == {"converted": ["0.pkl.bz2", "1.pkl.bz2"]}


def test_a_bad_second_file_leaves_no_result(tmp_path):
    good, bad = saved(tmp_path / "0.pkl", content()), tmp_path / "1.pkl"
    bad.write_bytes(b"no pickle")
    with pytest.raises(UserError, match=r"1\.pkl"):
        convert_files([good, bad], tmp_path / "o.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.pkl", "1.pkl"]


def delphes_event():
    """A pion with a track, a photon and a lost pion in the same tower, a neutral hadron alone in another."""
    particle = {
        "fUniqueID": np.array([0x1000005, 0x1000006, 0x1000007, 0x1000008]),
        "PID": np.array([-211, 22, 211, 130]),
        "Charge": np.array([-1.0, 0.0, 1.0, 0.0]),
        "PT": np.array([10.0, 20.0, 5.0, 30.0]),
        "Eta": np.zeros(4),
        "Phi": np.array([0.0, 0.0, np.pi / 2, 1.0]),
        "E": np.array([10.0, 20.0, 5.0, 30.0]),
        "Px": np.array([10.0, 20.0, 0.0, 30 * np.cos(1.0)]),
        "Py": np.array([0.0, 0.0, 5.0, 30 * np.sin(1.0)]),
        "Pz": np.zeros(4),
    }
    one = {name: np.array([value]) for name, value in {"PT": 10.1, "Eta": 0.01, "Phi": 0.02, "Charge": -1.0}.items()}
    track = {**one, "EtaOuter": np.array([0.03]), "PhiOuter": np.array([-0.1]), "Particle": np.array([5])}
    tower = {
        **{"ET": np.array([34.0, 31.0]), "E": np.array([35.0, 31.0]), "Eem": np.array([35.0, 0.0])},
        **{"Eta": np.array([0.1, 0.0]), "Phi": np.array([0.2, 1.0]), "Ehad": np.array([0.0, 31.0])},
        "Particles": [np.array([5, 6, 7]), np.array([8])],
    }
    flow = {**one, "PT": np.array([10.3]), "Particle": np.array([5])}
    excess = {"Eta": np.array([0.1]), "Phi": np.array([0.2]), "E": np.array([24.0])}
    return {"particle": particle, "track": track, "tower": tower}, [(flow, None)], [(excess, 3)]


def test_delphes_event_follows_the_ntuplizers_rules():
    event = _convert(*delphes_event())
    assert event.x[:, 0].tolist() == [2, 1, 1]
    np.testing.assert_allclose(event.x[0, [1, 2, 5, 6, 9]], [10.1, 0.01, 10.1 * np.cosh(0.01), 0.03, -1], rtol=1e-6)
    np.testing.assert_allclose(event.x[1], [1, 34, 0.1, np.sin(0.2), np.cos(0.2), 35, 35, 0, 0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(event.ygen[0], [1, -1, 10, 0, 0, 1, 10], atol=1e-6)
    photon_and_lost_pion = [3, 0, np.hypot(20, 5), 0, 5 / np.hypot(20, 5), 20 / np.hypot(20, 5), 25]
    np.testing.assert_allclose(event.ygen[1], photon_and_lost_pion, atol=1e-5)
    np.testing.assert_allclose(event.ygen[2], [2, 0, 30, 0, np.sin(1.0), np.cos(1.0), 30], atol=1e-5)
    assert event.ycand[0, :3].tolist() == pytest.approx([1, -1, 10.3])
    assert event.ycand[1, [0, 2, 6]].tolist() == [3, 0, 24]
    assert (event.ycand[2] == 0).all()


def test_bad_root_files_are_told(tmp_path):
    uproot = pytest.importorskip("uproot", reason="uproot is not installed (raise-hpo[generate]): no ROOT file tested")
    path = tmp_path / "e.root"
    path.write_bytes(b"no ROOT file at all")
    with pytest.raises(UserError, match=r"e\.root' is not a readable Delphes ROOT file"):
        list(read_events(path))
    with uproot.recreate(path) as file:
        file["Events"] = {"x": np.zeros(1000)}
    with pytest.raises(UserError, match=r"e\.root' has no tree 'Delphes'"):
        list(read_events(path))
    with uproot.recreate(path) as file:
        file["Delphes"] = {"Track": np.random.default_rng(1).random(100_000)}
    with pytest.raises(UserError, match=r"e\.root' has no branch 'Tower'"):
        list(read_events(path))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"e\.root' is not a readable Delphes ROOT file") as caught:
        list(read_events(path))
    assert "\n" not in str(caught.value)


def test_public_pickle_and_parquet_are_equal(tmp_path):
    source = given("tev14_pythia8_ttbar_0_0.pkl.bz2")
    with bz2.open(source) as file:
        trusted = pickle.load(file)  # made by this project's own prototype
    assert convert_files([source], tmp_path / "o.parquet") == len(trusted["X"])
    table = schema.open_events(tmp_path / "o.parquet")
    assert table["n"].to_pylist() == [len(x) for x in trusted["X"]]
    for name in ("X", "ygen", "ycand"):
        np.testing.assert_array_equal(schema.rows(table, name)[0], np.concatenate(trusted[name]).astype(np.float32))


def test_independent_parquet_is_read():
    table = schema.open_events(given("ttbar_pu20_200ev.parquet"))
    assert len(table) == 200 and schema.rows(table, "X")[0].shape[1] == 12


def test_real_delphes_events_have_the_same_structure():
    events = list(read_events(given("real_delphes_25ev.pkl.bz2")))
    assert len(events) == 25
    x, ygen = np.concatenate([e.x for e in events]), np.concatenate([e.ygen for e in events])
    track = x[:, 0] == 2
    response = x[track & (ygen[:, 2] > 1), 1] / ygen[track & (ygen[:, 2] > 1), 2]
    assert response.mean() == pytest.approx(1.0, abs=4 * response.std() / np.sqrt(len(response)))
    photon = ~track & (x[:, 6] > 5) & (ygen[:, 0] == 3) & (np.abs(x[:, 2]) < 1.5)
    assert np.median(x[photon, 5] / ygen[photon, 6]) == pytest.approx(1.0, abs=0.02)


def test_real_delphes_root_file_gives_the_same_events():
    source, reference = given("delphes.root"), given("real_delphes_25ev.pkl.bz2")
    for event, other in zip(read_events(source), read_events(reference), strict=True):
        np.testing.assert_allclose(event.x, other.x, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(event.ygen, other.ygen, rtol=1e-4, atol=1e-4)
        track = event.x[:, 0] == 2
        assert (event.ycand[track, 0] > 0).all()
        assert (event.ycand[~track, 0] > 0).any()
