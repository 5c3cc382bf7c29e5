"""Generation: reproducible to the byte, and the shipped sample is what its recipe says."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import trainables.lartpc
from raise_hpo.errors import UserError
from trainables.lartpc import schema
from trainables.lartpc.generate import Recipe, generate, generate_file, make_event
from trainables.lartpc.particles import CLASS_NAMES, LABELS
from trainables.lartpc.readout import dense

SAMPLE = Path(trainables.lartpc.__file__).parent / "sample"


def sample(name):
    return schema.open_events(SAMPLE / name)


def recipe_of(name):
    made = schema.provenance(sample(name).files[0])
    return Recipe(**{key: made[key] for key in ("events", "size", "seed", "wires", "ticks", "least", "most")})


def test_sample_has_the_checksums_of_its_recipe():
    listed = dict(reversed(m) for m in re.findall(r"([0-9a-f]{64})  (\S+)", (SAMPLE / "RECIPE.md").read_text()))
    assert sorted(listed) == ["train.parquet", "valid.parquet"]
    for name, checksum in listed.items():
        assert hashlib.sha256((SAMPLE / name).read_bytes()).hexdigest() == checksum


@pytest.mark.parametrize(("name", "events"), [("train.parquet", 1000), ("valid.parquet", 400)])
def test_sample_is_what_its_recipe_says(name, events):
    recipe, text = recipe_of(name), (SAMPLE / "RECIPE.md").read_text()
    options = f"--size {recipe.size} --wires {recipe.wires} --least {recipe.least:g} --most {recipe.most:g}"
    assert f"--events {events} {options} --seed {recipe.seed} --out {name}" in text
    assert len(sample(name)) == recipe.events == events


@pytest.mark.parametrize("name", ["train.parquet", "valid.parquet"])
def test_sample_events_come_again(name):
    recipe = recipe_of(name)
    for index, shipped in enumerate(sample(name).events(5)):
        again = make_event(recipe, index)
        assert (again.label, again.pdg) == (shipped.label, shipped.pdg)
        assert again.deposited == pytest.approx(shipped.deposited, rel=1e-5)
        differing = dense(again.image, recipe.window.shape) - dense(shipped.image, recipe.window.shape)
        assert np.abs(differing).max() <= 1


def test_sample_is_physical():
    events = list(sample("train.parquet").events())
    assert np.bincount([event.label for event in events]).tolist() == [200] * len(CLASS_NAMES)
    assert all(LABELS[abs(event.pdg)] == event.label for event in events)
    momenta = np.array([event.momentum for event in events])
    assert 100 <= momenta.min() < 105 and 395 < momenta.max() <= 400
    electrons = [event for event in events if abs(event.pdg) == 11]
    share = np.mean([event.deposited / event.momentum for event in electrons])
    assert share == pytest.approx(1.0, abs=0.01)
    charges = {sign: sum(np.sign(event.pdg) == sign for event in events if event.label) for sign in (-1, 1)}
    assert abs(charges[1] - charges[-1]) < 4 * np.sqrt(800)
    occupancy = np.mean([len(event.image.pixels) for event in events]) / (3 * 96**2)
    assert 0.005 < occupancy < 0.03


def test_images_grow_with_energy():
    counts = [[event.image.values.sum() for event in generate(Recipe(10, 96, 1, 3, 0, p, p))] for p in (100, 400)]
    assert 2 * np.sum(counts[0]) < np.sum(counts[1])


def test_same_seed_same_file_whatever_the_number_of_processes(tmp_path):
    recipe = Recipe(events=55, size=64, seed=3, wires=4)
    assert generate_file(recipe, tmp_path / "one.parquet") == 55
    generate_file(recipe, tmp_path / "two.parquet", jobs=2)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_fewer_events_are_the_first_of_more_and_other_seeds_differ():
    five, two, other = (list(generate(Recipe(n, 64, seed, 4))) for n, seed in ((5, 1), (2, 1), (5, 2)))
    for event, same in zip(two, five, strict=False):
        np.testing.assert_array_equal(event.image.pixels, same.image.pixels)
    assert not np.array_equal(five[0].image.pixels, other[0].image.pixels)


def test_progress_is_told():
    told = []
    list(generate(Recipe(3, 32, 1, 8), progress=lambda *step: told.append(step)))
    assert told == [("events", 1, 3), ("events", 2, 3), ("events", 3, 3)]


def test_windows():
    assert Recipe(1, 512).window.ticks == 6
    assert Recipe(1, 512, wires=4).window.ticks == 24
    assert Recipe(1, 3600).window.ticks * 3600 == pytest.approx(9600)
    assert Recipe(1, 512, ticks=2.5).window.ticks == 2.5
    assert Recipe(1, 512).window.pixel[0] == pytest.approx(Recipe(1, 512).window.pixel[1], rel=0.12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"events": 0}, "events is 0, it must be at least 1"),
        ({"size": 4}, "size is 4, it must be from 8 to 9600"),
        ({"seed": -1}, "seed is -1"),
        ({"wires": 0}, "wires is 0"),
        ({"ticks": -1.0}, "ticks is -1.0"),
        ({"least": 500.0, "most": 400.0}, "most is 400.0, it must be from 500 to 5000"),
        ({"most": float("inf")}, "most is inf"),
        ({"least": float("nan")}, "least is nan"),
    ],
)
def test_bad_recipe_is_told_in_a_sentence(changes, words):
    with pytest.raises(UserError, match=re.escape(words)):
        Recipe(**{"events": 3, **changes})
