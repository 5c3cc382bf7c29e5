"""Generation: reproducible to the byte, pile-up as asked, and the shipped sample is what its recipe says."""

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import trainables.mlpf
from raise_hpo.cli.data import data_app
from raise_hpo.errors import UserError
from trainables.mlpf import generate as generation
from trainables.mlpf import schema
from trainables.mlpf.generate import Recipe, generate, generate_file, minimum_bias, overlay
from trainables.mlpf.particles import Batch, Particles

SAMPLE = Path(trainables.mlpf.__file__).parent / "sample"
pythia8mc = pytest.importorskip("pythia8mc", reason="Pythia is not installed (raise-hpo[generate]): nothing generated")


@pytest.fixture(scope="module")
def sample_recipe():
    made = schema.provenance(schema.open_events(SAMPLE / "valid.parquet"))
    return Recipe(**{name: made[name] for name in ("process", "events", "pileup", "seed", "pool")})


@pytest.fixture(scope="module")
def pool(sample_recipe):
    return minimum_bias(sample_recipe)


def quick(**changes):
    return Recipe(**{"process": "ttbar", "events": 3, "pileup": 0.0, "seed": 4, **changes})


def assert_same(event, other):
    for name in ("x", "ygen", "ycand"):
        np.testing.assert_allclose(getattr(event, name), getattr(other, name), rtol=1e-5, atol=1e-5)
    assert event.npu == other.npu


def test_sample_has_the_checksums_of_its_recipe():
    listed = dict(reversed(m) for m in re.findall(r"([0-9a-f]{64})  (\S+)", (SAMPLE / "RECIPE.md").read_text()))
    assert sorted(listed) == ["train.parquet", "valid.parquet"]
    for name, checksum in listed.items():
        assert hashlib.sha256((SAMPLE / name).read_bytes()).hexdigest() == checksum


@pytest.mark.parametrize(("name", "events"), [("train.parquet", 160), ("valid.parquet", 48)])
def test_sample_is_what_its_recipe_says(name, events):
    made = schema.provenance(schema.open_events(SAMPLE / name))
    command = f"--process {made['process']} --events {events} --pileup {made['pileup']:g} --seed {made['seed']}"
    assert f"{command} --out {name}" in (SAMPLE / "RECIPE.md").read_text()
    assert made["pool"] == Recipe("ttbar", 1, 0, 0).pool
    file = pq.ParquetFile(SAMPLE / name)
    assert file.metadata.num_rows == events
    assert {file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)} == {schema.ROW_GROUP}


def test_sample_events_come_again(sample_recipe, pool, monkeypatch):
    monkeypatch.setattr(generation, "minimum_bias", lambda recipe, progress: pool)
    again = generate(Recipe("ttbar", 3, sample_recipe.pileup, sample_recipe.seed, sample_recipe.pool))
    shipped = list(schema.events(schema.open_events(SAMPLE / "valid.parquet")))
    for event, other in zip(again, shipped[:3], strict=True):
        assert_same(event, other)


def test_sample_is_physical():
    table = schema.open_events(SAMPLE / "train.parquet")
    (x, offsets), (ygen, _), (ycand, _) = (schema.rows(table, name) for name in ("X", "ygen", "ycand"))
    assert all(np.isfinite(values).all() for values in (x, ygen, ycand))
    assert set(np.unique(x[:, 0])) == {1, 2}
    np.testing.assert_allclose(np.hypot(x[:, 3], x[:, 4]), 1, atol=1e-5)
    assert np.abs(x[x[:, 0] == 1, 2]).max() <= 5.0
    assert set(np.unique(ygen[:, 0])) == set(range(6))
    barrel = (x[:, 0] == 2) & (ygen[:, 0] == 1) & (np.abs(x[:, 6]) <= 0.5) & (ygen[:, 2] < 10)
    response = x[barrel, 1] / ygen[barrel, 2]
    assert abs(response.mean() - 1) < 4 * 0.06 / np.sqrt(barrel.sum())
    assert response.std() == pytest.approx(0.06, rel=4 / np.sqrt(2 * barrel.sum()) + 0.02)
    sum_pt = np.add.reduceat(ygen[:, 2], offsets[:-1])
    assert sum_pt.mean() > 2 * 172.5  # two tops, at rest at the very least


def test_elements_grow_with_pileup(pool):
    counts = {}
    for pileup in (0.0, 10.0, 40.0):
        rng = np.random.default_rng(1)
        hard = pool.pick(np.arange(1))[0]
        events = [generation.simulate(overlay(hard, pool, pileup, rng)[0], rng) for _ in range(12)]
        counts[pileup] = np.array([len(event.x) for event in events])
    assert counts[40.0].mean() > 2.5 * counts[10.0].mean() > 2.5 * 2 * counts[0.0].mean()
    assert counts[10.0].std() > 0


def tiny_pool():
    momentum = np.array([[1.0, 0.0, 2.0, 3.0], [0.0, 2.0, 0.0, 2.5], [0.5, 0.5, -1.0, 1.5]])
    particles = Particles(momentum, np.zeros((3, 3)), np.array([211, 22, -211]), np.array([1.0, 0.0, -1.0]))
    return Batch(particles, np.array([0, 2, 3]))


def test_pileup_is_poisson_turned_and_at_its_own_vertices():
    pool, hard, numbers, angles, z = tiny_pool(), tiny_pool().pick(np.array([0]))[0], [], [], []
    rng = np.random.default_rng(3)
    for _ in range(500):
        particles, npu = overlay(hard, pool, 6.0, rng)
        soft = particles.select(np.arange(2, len(particles)))
        numbers.append(npu)
        angles.append(soft.phi)
        z.append(particles.vertex[0, 2])
        np.testing.assert_allclose(
            np.sort(soft.pt), np.sort(np.where(soft.pdg == 22, 2, np.where(soft.pdg > 0, 1, 0.5**0.5)))
        )
        np.testing.assert_array_equal(particles.momentum[:2], hard.momentum)
        assert len(np.unique(particles.vertex[:, 2])) == npu + 1
    assert np.mean(numbers) == pytest.approx(6.0, abs=4 * np.sqrt(6 / 500))
    assert np.var(numbers) == pytest.approx(6.0, rel=0.3)
    assert np.std(z) == pytest.approx(0.053, rel=0.15)
    flat = np.concatenate(angles)
    assert abs(np.exp(1j * flat).mean()) < 5 / np.sqrt(len(flat) / 2)


def test_batch_picks_events_in_order_and_repeatedly():
    particles, counts = tiny_pool().pick(np.array([1, 0, 1]))
    assert counts.tolist() == [1, 2, 1]
    assert particles.pdg.tolist() == [-211, 211, 22, -211]


def test_same_seed_same_file_whatever_the_number_of_processes(tmp_path):
    recipe = quick(events=102)
    generate_file(recipe, tmp_path / "one.parquet")
    generate_file(recipe, tmp_path / "two.parquet", jobs=2)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert len(schema.open_events(tmp_path / "one.parquet")) == 102


def test_fewer_events_are_the_first_of_more_and_other_seeds_differ():
    three, two, other = list(generate(quick())), list(generate(quick(events=2))), list(generate(quick(seed=5)))
    for event, same in zip(two, three, strict=False):
        np.testing.assert_array_equal(event.x, same.x)
    assert three[0].x.shape != other[0].x.shape or not np.allclose(three[0].x, other[0].x)


def test_top_pairs_are_harder_than_jets():
    tops, jets = ([e.ygen[:, 2].sum() for e in generate(quick(process=p, events=12))] for p in ("ttbar", "qcd"))
    assert np.median(tops) > 2 * np.median(jets)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"process": "tbar"}, "did you mean 'ttbar'"),
        ({"events": 0}, "events is 0, it must be at least 1"),
        ({"pileup": -1.0}, "pileup is -1.0"),
        ({"pileup": float("nan")}, "pileup is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"pool": 0}, "pool is 0"),
    ],
)
def test_bad_recipe_is_told_in_a_sentence(changes, words):
    with pytest.raises(UserError, match=re.escape(words)):
        quick(**changes)


def test_missing_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(UserError, match=re.escape("install raise-hpo[generate]")):
        generate_file(quick(), tmp_path / "out.parquet")
    assert not list(tmp_path.iterdir())


def test_command_generates_a_file(tmp_path):
    out = tmp_path / "ev ents.parquet"
    arguments = ["generate", "mlpf", "--process", "qcd", "--events", "2", "--pileup", "0", "--seed", "3"]
    result = CliRunner().invoke(data_app, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "2 events" in result.output
    assert schema.open_events(out)["npu"].to_pylist() == [0, 0]


def test_unwritable_place_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*nowhere"):
        schema.write_events(iter(()), tmp_path / "nowhere" / "out.parquet", {})
    assert not list(tmp_path.iterdir())


def test_interrupted_writing_leaves_no_file(tmp_path):
    def events():
        yield schema.Event(*(np.zeros((2, width), np.float32) for width in (12, 7, 7)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schema.write_events(events(), tmp_path / "out.parquet", {})
    assert not list(tmp_path.iterdir())


def random_events(count):
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 9, count)
    return [schema.Event(*(rng.random((n, w)).astype(np.float32) for w in (12, 7, 7)), i) for i, n in enumerate(sizes)]


def test_events_come_back_as_written(tmp_path):
    written = random_events(37)
    assert schema.write_events(iter(written), tmp_path / "e.parquet", {"made by": "hand"}) == 37
    table = schema.open_events(tmp_path / "e.parquet")
    assert schema.provenance(table) == {"made by": "hand"}
    for event, other in zip(written, schema.events(table), strict=True):
        assert_same(event, other)
    part = schema.rows(table.slice(5, 20), "X")[0]
    np.testing.assert_array_equal(part, np.concatenate([event.x for event in written[5:25]]))


def test_some_columns_can_be_read_alone(tmp_path):
    schema.write_events(iter(random_events(3)), tmp_path / "e.parquet", {})
    assert schema.open_events(tmp_path / "e.parquet", ["ygen", "n"]).column_names == ["ygen", "n"]


def test_bad_event_files_are_told_in_a_sentence(tmp_path):
    good, path = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    schema.write_events(iter(random_events(20)), good, {})
    with pytest.raises(UserError, match=r"no event file .*missing\.parquet"):
        schema.open_events(tmp_path / "missing.parquet")
    with pytest.raises(UserError, match="no column 'ygem'; did you mean 'ygen'"):
        schema.open_events(good, ["ygem"])
    for cut in (0, 3, 100, good.stat().st_size // 2, good.stat().st_size - 1):
        path.write_bytes(good.read_bytes()[:cut])
        with pytest.raises(UserError, match=r"bad\.parquet' is not a readable Parquet file") as caught:
            schema.open_events(path)
        assert "\n" not in str(caught.value)
    pq.write_table(schema.open_events(good).drop_columns(["ycand"]), path)
    with pytest.raises(UserError, match=r"bad\.parquet' has no column 'ycand'; .*valid: X, ygen, n, npu"):
        schema.open_events(path)
    pq.write_table(pa.table({"X": [[1.0]]}), path)
    with pytest.raises(UserError, match=r"column 'X' of event file .* has type list<.*double>, it should be"):
        schema.open_events(path, ["X"])


def test_rows_that_do_not_align_are_found(tmp_path):
    first, second = random_events(4)[1:3]
    schema.write_events(iter([schema.Event(first.x, second.ygen, first.ycand)]), tmp_path / "e.parquet", {})
    with pytest.raises(UserError, match="'ygen' and 'X' differ in length"):
        schema.open_events(tmp_path / "e.parquet")


def test_corrupt_data_page_is_told(tmp_path):
    schema.write_events(iter(random_events(40)), tmp_path / "e.parquet", {})
    content = bytearray((tmp_path / "e.parquet").read_bytes())
    content[200:400] = bytes(200)
    (tmp_path / "e.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"e\.parquet' is not a readable Parquet file"):
        schema.open_events(tmp_path / "e.parquet")


def test_candidates_are_repaired():
    charged = [1, -1, 3.0, 1.2, 0.0, 1.0, 0.0]
    neutral = [2, 0, 0.0, -2.0, 1.0, 0.0, 50.0]
    nothing = [0.0] * 7
    whole = schema.repaired_candidates(np.array([charged, neutral, nothing], np.float32))
    assert whole[0, 6] == pytest.approx(3 * np.cosh(1.2)) and whole[0, 2] == 3
    assert whole[1, 2] == pytest.approx(50 / np.cosh(2.0)) and whole[1, 6] == 50
    assert (whole[2] == 0).all()
