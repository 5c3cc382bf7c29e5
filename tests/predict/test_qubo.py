import itertools
import sys
import types

import dimod
import numpy as np
import pytest
from sklearn.svm import SVR

from raise_hpo.errors import UserError
from raise_hpo.predict import make_predictor
from raise_hpo.predict.qubo import SVRQubo
from raise_hpo.predict.samplers import make_sampler
from tests.predict.curves import crossing

EPSILON, PENALTY = 0.05, 0.3


def _problem(points, seed=0):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.random(points))
    kernel = np.exp(-4 * (x[:, None] - x) ** 2)
    return kernel, np.sin(4 * x) / 2


def _states(variables):
    return np.array(list(itertools.product([0.0, 1.0], repeat=variables)))


def _objective(kernel, targets, alpha, hat):
    """The dual objective of support vector regression, written out, with the constraint as a penalty."""
    beta = [a - b for a, b in zip(alpha, hat, strict=True)]
    quadratic = sum(beta[i] * beta[j] * kernel[i, j] for i in range(len(beta)) for j in range(len(beta)))
    tube = EPSILON * (sum(alpha) + sum(hat))
    return quadratic / 2 + tube - sum(y * b for y, b in zip(targets, beta, strict=True)) + PENALTY * sum(beta) ** 2


def test_the_energy_of_every_state_is_the_objective():
    kernel, targets = _problem(3)
    qubo = SVRQubo(kernel, targets, bits=2, epsilon=EPSILON, penalty=PENALTY)
    states = _states(12)
    for state, energy in zip(states, qubo.energy(states), strict=True):
        alpha, hat = (half.reshape(3, 2) @ [1.0, 0.5] for half in np.split(state, 2))
        assert energy == pytest.approx(_objective(kernel, targets, alpha, hat))


def test_the_binary_model_has_the_same_energies():
    qubo = SVRQubo(*_problem(3), bits=2, epsilon=EPSILON, penalty=PENALTY)
    states = _states(12)
    model = qubo.model()
    assert model.energies((states, range(12))) == pytest.approx(qubo.energy(states))


@pytest.mark.parametrize("seed", range(5))
def test_annealing_finds_the_state_of_least_energy(seed):
    qubo = SVRQubo(*_problem(3, seed), bits=2, epsilon=EPSILON, penalty=PENALTY)
    sampler, options = make_sampler("simulated_annealing", 1)
    found = qubo.sample(sampler, **options | {"num_sweeps": 1000, "num_reads": 100})
    assert qubo.energy(found[:1])[0] == pytest.approx(qubo.energy(_states(12)).min())
    assert (np.diff(qubo.energy(found)) >= 0).all()


def test_the_best_energy_is_near_the_classical_optimum_and_never_below():
    kernel, targets = _problem(8)
    # Without the constraint on the sum, the penalty being tiny, the two problems are the same but for the bits.
    qubo = SVRQubo(kernel, targets, bits=5, epsilon=EPSILON, penalty=0.0)
    sampler, options = make_sampler("simulated_annealing", 1)
    best = qubo.sample(sampler, **options | {"num_sweeps": 2000})[:1]
    continuous = _coordinate_descent(kernel, targets, 2 - 0.5**4)
    assert continuous <= qubo.energy(best)[0] <= continuous + 0.02 * abs(continuous)


def _coordinate_descent(kernel, targets, bound):
    """The least of the objective over the whole box, coordinate by coordinate; the constraint left out."""
    beta = np.zeros(len(targets))
    for _ in range(2000):
        for i in range(len(beta)):
            rest = targets[i] - kernel[i] @ beta + kernel[i, i] * beta[i]
            beta[i] = np.clip(np.sign(rest) * max(0.0, abs(rest) - EPSILON) / kernel[i, i], -bound, bound)
    return beta @ kernel @ beta / 2 + EPSILON * np.abs(beta).sum() - targets @ beta


def test_an_annealed_machine_predicts_as_a_classical_one():
    units, curves = crossing(120)
    truth = curves[60:, -1]
    errors = []
    for name in ("qsvr", "svr-committee"):
        model = make_predictor(name, machines=3).fit(units[:60], curves[:60, :3], curves[:60, -1])
        errors.append(np.sqrt(np.mean((model.expect(units[60:], curves[60:, :3]) - truth) ** 2)))
    assert errors[0] < 1.3 * errors[1]
    plain = SVR().fit(curves[:60, :3], curves[:60, -1]).predict(curves[60:, :3])
    assert errors[0] < np.sqrt(np.mean((plain - truth) ** 2))


def _pretend_machine(monkeypatch, calls, backwards=False):
    """Mock only D-Wave's machine and its connection: an exact solver answers in its place, so this proves the calls,
    the order of variables and what becomes of the answer, and nothing about the quantum hardware."""

    class DWaveSampler:
        pass

    class EmbeddingComposite:
        def __init__(self, child):
            assert isinstance(child, DWaveSampler)

        def sample(self, model, num_reads):
            calls.append(num_reads)
            exact = dimod.ExactSolver().sample(model)
            order = sorted(exact.variables, reverse=backwards)
            return dimod.SampleSet.from_samples_bqm((exact.samples()[:, order], order), model)

    module = types.ModuleType("dwave.system")
    module.DWaveSampler, module.EmbeddingComposite = DWaveSampler, EmbeddingComposite
    monkeypatch.setitem(sys.modules, "dwave.system", module)


def test_dwave_answers_through_the_same_interface(monkeypatch):
    units, curves = crossing(12)
    answers = []
    for backwards in (False, True):
        calls = []
        _pretend_machine(monkeypatch, calls, backwards)
        model = make_predictor("qsvr", machines=3, points=2, sampler="dwave")
        model.fit(units[:6], curves[:6, :3], curves[:6, -1])
        assert calls == [1000] * 3
        answers.append(model.expect(units, curves[:, :3]))
    assert (answers[0] == answers[1]).all()


def test_the_order_in_which_a_sampler_names_variables_does_not_matter(monkeypatch):
    _pretend_machine(monkeypatch, [], backwards=True)
    qubo = SVRQubo(*_problem(2), bits=3, epsilon=EPSILON, penalty=PENALTY)
    sampler, options = make_sampler("dwave", 1)
    found = qubo.sample(sampler, **options)
    assert len(found) == 2**12
    assert qubo.energy(found[:1])[0] == qubo.energy(_states(12)).min()


def test_one_sentence_where_the_extra_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "dwave.system", None)
    with pytest.raises(UserError, match=r"pip install 'raise-hpo\[quantum\]'") as caught:
        make_predictor("qsvr", sampler="dwave")
    assert "\n" not in str(caught.value)


def test_one_sentence_where_dwave_cannot_be_reached(monkeypatch):
    _pretend_machine(monkeypatch, [])

    def without_token():
        raise ValueError("API token not defined")

    monkeypatch.setattr(sys.modules["dwave.system"], "DWaveSampler", without_token)
    with pytest.raises(UserError, match=r"API token not defined.*simulated_annealing"):
        make_predictor("qsvr", sampler="dwave")
