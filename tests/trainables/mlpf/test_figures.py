"""What the figures show, against counts made element by element."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place
from tests.trainables.mlpf import fakes
from trainables.mlpf.data import Events, events_of
from trainables.mlpf.figures import PT_EDGES, RESPONSE_BINS, figures
from trainables.mlpf.loss import particle_momentum
from trainables.mlpf.net import Prediction
from trainables.mlpf.schema import CHARGED_HADRON, CLASS_NAMES, NEUTRAL_HADRON
from trainables.mlpf.trainable import MLPF

TITLES = ["Confusion matrix", "Efficiency by pT", "Fake rate by pT"]
TITLES += ["Response of hadrons", "Sum of pT", "Missing pT"]


@pytest.fixture(scope="module")
def events() -> Events:
    return fakes.batch(90, 140, 33, seed=3)


@pytest.fixture(scope="module")
def guess(events: Events) -> Prediction:
    """A network that is right about half of the elements and finds momenta to some ten percent."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.nn.functional.one_hot(events.y[:, 0].long(), 6) + 1.2 * torch.rand(
        len(events.y), 6, generator=generator
    )
    noise = torch.randn(len(events.y), 5, generator=generator)
    return Prediction(logits, particle_momentum(events.y) + noise * torch.tensor([0.2, 0.0, 0.0, 0.0, 0.2]))


@pytest.fixture(scope="module")
def elements(events: Events, guess: Prediction) -> list[tuple[int, int, float, float]]:
    """True class, found class, true and reconstructed pT of each element."""
    found, pt = guess.logits.argmax(1), guess.momentum[:, 0].exp()
    return list(zip(events.y[:, 0].int().tolist(), found.tolist(), events.y[:, 2].tolist(), pt.tolist(), strict=True))


def pt_bin(pt: float) -> int:
    """The last bin that begins at or below a pT; the first one for all that is lower."""
    return max([0, *(place for place, edge in enumerate(PT_EDGES[:-1]) if pt >= edge)])


def test_the_confusion_matrix_is_of_rows(events, guess, elements) -> None:
    shown = figures(guess, events)["Confusion matrix"].data[0]
    counts = np.zeros((6, 6), int)
    for true, found, _, _ in elements:
        counts[true, found] += 1
    assert np.array_equal(shown.text, counts) and 0 < np.trace(counts) < counts.sum() == 263
    np.testing.assert_allclose(np.array(shown.z), counts / counts.sum(1, keepdims=True).clip(1), atol=1e-4)
    assert shown.x == CLASS_NAMES and shown.y[1] == f"charged hadron ({counts[1].sum()})"


@pytest.mark.parametrize("title", ["Efficiency by pT", "Fake rate by pT"])
def test_shares_by_pt(title: str, events, guess, elements) -> None:
    fakes_asked = title.startswith("Fake")
    traces = figures(guess, events)[title].data
    asked = {each[1] if fakes_asked else each[0] for each in elements} - {0}
    assert [trace.name for trace in traces] == [CLASS_NAMES[number] for number in sorted(asked)]
    for trace in traces:
        number = CLASS_NAMES.index(trace.name)
        held: list[list[bool]] = [[] for _ in PT_EDGES[:-1]]
        for true, found, true_pt, pt in elements:
            if (found if fakes_asked else true) == number:
                held[pt_bin(pt if fakes_asked else true_pt)].append((true == found) != fakes_asked)
        assert list(trace.customdata) == [len(each) for each in held]
        for share, deviation, each in zip(trace.y, trace.error_y.array, held, strict=True):
            expected = sum(each) / len(each) if each else None
            assert share == (pytest.approx(expected, abs=1e-4) if each else None)
            error = math.sqrt(expected * (1 - expected) / len(each)) if expected is not None else None
            assert deviation == (pytest.approx(error, abs=1e-4) if each else None)
    assert any(0 < share < 1 for trace in traces for share in trace.y if share is not None)


def test_what_is_beyond_the_edges_counts_in_the_outermost_bins(events: Events) -> None:
    y = events.y[:4].clone()
    y[:, 0], y[:, 2] = CHARGED_HADRON, torch.tensor([0.01, 0.25, 127.0, 5000.0])
    guess = Prediction(torch.eye(6)[[1, 0, 1, 1]], particle_momentum(y))
    shown = figures(guess, Events(events.x[:4], y, torch.tensor([4])))["Efficiency by pT"].data[0]
    assert (shown.customdata[0], shown.customdata[-1], sum(shown.customdata)) == (2, 2, 4)
    assert (shown.y[0], shown.y[-1]) == (0.5, 1.0) and set(shown.y[1:-1]) == {None}


def test_the_response_is_of_hadrons_found_as_such(events, guess, elements) -> None:
    traces = figures(guess, events)["Response of hadrons"].data
    assert len(traces) == 2
    for trace, number in zip(traces, (CHARGED_HADRON, NEUTRAL_HADRON), strict=True):
        ratios = [pt / true_pt for true, found, true_pt, pt in elements if true == found == number]
        counts = np.histogram(np.minimum(ratios, 1.999), RESPONSE_BINS, (0, 2))[0]
        # A ratio within rounding of an edge may fall on either side.
        assert np.abs(np.array(trace.y) * len(ratios) - counts).sum() < 2.1
        assert sum(trace.y) == pytest.approx(1, abs=0.01)
        low, middle, high = np.quantile(ratios, (0.16, 0.5, 0.84))
        assert trace.name == f"{CLASS_NAMES[number]}, median {middle:.3f} ± {(high - low) / 2:.3f}"


def test_sums_of_events(events, guess, elements) -> None:
    shown = figures(guess, events)
    phi = torch.atan2(events.y[:, 4], events.y[:, 5]).tolist()
    bounds = np.cumsum([0, *events.sizes.tolist()])
    for place, (first, last) in enumerate(pairwise(bounds)):
        own = list(zip(elements[first:last], phi[first:last], strict=True))
        true = [(true_pt, angle) for (_, _, true_pt, _), angle in own]
        mine = [(pt, angle) for (_, found, _, pt), angle in own if found]
        for axis, vectors in (("x", true), ("y", mine)):
            total = sum(pt for pt, _ in vectors)
            missing = abs(sum(pt * complex(math.cos(angle), math.sin(angle)) for pt, angle in vectors))
            # An element without particle that is taken for one has next to no pT, and no direction.
            assert shown["Sum of pT"].data[0][axis][place] == pytest.approx(total, abs=0.2)
            assert shown["Missing pT"].data[0][axis][place] == pytest.approx(missing, abs=0.2)


def test_a_broken_network_can_be_drawn(events: Events) -> None:
    broken = Prediction(torch.full((263, 6), torch.nan), torch.full((263, 5), torch.nan))
    shown = figures(broken, events)
    assert list(shown) == TITLES and shown["Sum of pT"].data[0].y == (None,) * 3


def test_figures_are_of_the_validation_events_whatever_the_batches() -> None:
    drawn = []
    for size in (1, 3):
        trial = TrialRunner(MLPF, {**MLPF.defaults, "batch_size": size}, Place(data={"max_events": 7}))
        drawn.append(trial.figures())
        elements = int(events_of(trial.trainable.valid_events.head(7)).sizes.sum())
    assert list(drawn[0]) == TITLES and sum(map(sum, drawn[0]["Confusion matrix"]["data"][0]["text"])) == elements
    assert drawn[0]["Confusion matrix"]["data"][0]["text"] == drawn[1]["Confusion matrix"]["data"][0]["text"]
    assert len(drawn[0]["Missing pT"]["data"][0]["x"]) == 7
    assert len(json.dumps(drawn[0])) < 100_000
