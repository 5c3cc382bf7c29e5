import numpy as np
import pytest
from scipy.stats import norm

from raise_hpo.search.bohb import BohbSearcher, ratio
from raise_hpo.search.kde import KernelDensity
from raise_hpo.space import SearchSpace
from tests.search.play import add, history, run

PLANE = {"x": "uniform(0, 1)", "y": "uniform(0, 1)"}


def searcher(space=PLANE, rungs=(1, 3), **options) -> BohbSearcher:
    made = BohbSearcher(SearchSpace.parse(space), 1, **options)
    made.rungs = rungs
    return made


def observed(reached: list[int], rungs=(1, 3), failed: tuple[int, ...] = ()) -> tuple[int, list[float]] | None:
    """The epoch that is modelled and its losses, when trials reached so many epochs of 9."""
    told = history(9)
    for number, epochs in enumerate(reached):
        losses = [float(number + epoch / 100) for epoch in range(1, epochs + 1)]
        add(told, {"x": 0.5, "y": number / 100}, losses, "failed" if number in failed else "stop")
    found = searcher(rungs=rungs).observations(told)
    return None if found is None else (found[0], found[2].tolist())


# Two dimensions need three observations for each density, six in all.
@pytest.mark.parametrize(
    ("reached", "epoch"),
    [([1] * 5, None), ([1] * 6, 1), ([3] * 6, 3), ([1] * 9 + [3] * 5, 1), ([1] * 9 + [3] * 5 + [9], 3), ([9] * 6, 9)],
)
def test_the_largest_rung_with_enough_observations_is_modelled(reached, epoch):
    found = observed(reached)
    assert (None if found is None else found[0]) == epoch


def test_without_rungs_every_reported_epoch_may_be_modelled():
    found = observed([7] * 5 + [6] * 2, rungs=())
    assert found == (6, [0.06, 1.06, 2.06, 3.06, 4.06, 5.06, 6.06])


def test_a_failed_trial_is_infinitely_bad_at_the_rung_that_it_did_not_reach():
    assert observed([1] * 6 + [0], failed=(6,)) == (1, [0.01, 1.01, 2.01, 3.01, 4.01, 5.01, np.inf])
    assert observed([3] * 6 + [0], failed=(6,)) == (3, [0.03, 1.03, 2.03, 3.03, 4.03, 5.03])
    assert observed([3] * 6 + [2], failed=(6,)) == (3, [0.03, 1.03, 2.03, 3.03, 4.03, 5.03, np.inf])


def test_failures_alone_are_not_modelled():
    assert observed([1] * 2 + [0] * 20, failed=tuple(range(2, 22))) is None


def test_good_are_the_best_per_cent_but_enough_for_a_density():
    made = searcher()
    codes, losses = np.random.default_rng(0).random((40, 2)), np.arange(40.0)[::-1]
    good, bad = made.densities(codes, losses, np.random.default_rng(0))
    assert np.array_equal(good.data, codes[::-1][:6]) and np.array_equal(bad.data, codes[::-1][6:])
    good, bad = made.densities(codes[:8], losses[:8], np.random.default_rng(0))
    assert (len(good.data), len(bad.data)) == (3, 5)


def test_missing_values_come_from_others_that_have_them():
    branch = {"conv": "choice([gnn, att])", "a": {"uniform": [0, 1], "when": {"conv": "gnn"}}}
    made = searcher(branch, min_points=3)
    codes = np.array([[0, 0.2], [1, np.nan], [0, 0.7], [1, np.nan], [1, np.nan], [1, np.nan]])
    good, bad = made.densities(codes, np.arange(6.0), np.random.default_rng(0))
    assert good.data[1, 1] in (0.2, 0.7)
    assert np.all((bad.data[:, 1] >= 0) & (bad.data[:, 1] < 1)) and len(set(bad.data[:, 1])) == 3


def product_kernel(data: np.ndarray, levels: list[int], points: np.ndarray, floor: float) -> list[float]:
    """The formula of statsmodels' KDEMultivariate with ``normal_reference``, point by point and kernel by kernel."""
    count, dimensions = data.shape
    densities = []
    for point in points:
        total = 0.0
        for row in data:
            kernel = 1.0
            for d in range(dimensions):
                h = max(1.06 * np.std(data[:, d]) * count ** (-1 / (4 + dimensions)), floor)
                if levels[d]:
                    h = min(h, (levels[d] - 1) / levels[d])
                    kernel *= 1 - h if point[d] == row[d] else h / (levels[d] - 1)
                else:
                    kernel *= norm.pdf(point[d], loc=row[d], scale=h)
            total += kernel
        densities.append(total / count)
    return densities


@pytest.mark.parametrize("levels", [[0, 0], [0, 3], [4, 2, 0], [5]])
def test_the_density_is_the_product_kernel_estimate(levels):
    rng = np.random.default_rng(2)
    data, points = (
        np.column_stack([rng.integers(level, size=n) if level else rng.random(n) for level in levels]).astype(float)
        for n in (30, 12)
    )
    found = KernelDensity(data, np.array(levels), 1e-3).pdf(points)
    assert found == pytest.approx(product_kernel(data, levels, points, 1e-3), rel=1e-10)


def test_the_density_of_categories_sums_to_one_and_a_single_category_is_certain():
    data = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 0.0]])
    everywhere = np.array([[float(category), 0.0] for category in range(4)])
    assert KernelDensity(data, np.array([4, 1]), 1e-3).pdf(everywhere).sum() == pytest.approx(1)


def test_draws_follow_the_kernels():
    rng = np.random.default_rng(3)
    density = KernelDensity(np.array([[0.1, 0.0], [0.3, 0.0], [0.2, 1.0]]), np.array([0, 3]), 1e-3)
    drawn = density.draw(20_000, 1.0, rng)
    assert drawn[:, 0].min() >= 0 and drawn[:, 0].max() <= 1
    width = density.bandwidths[1]
    shares = np.bincount(drawn[:, 1].astype(int), minlength=3) / len(drawn)
    assert shares == pytest.approx([2 / 3 * (1 - width) + width / 3, (1 - width) / 3 + width / 3, width / 3], abs=0.01)


def test_the_suggestion_is_the_candidate_with_the_best_ratio():
    made = searcher(random_fraction=0.0, rungs=())
    told = run(searcher(random_fraction=1.0, rungs=()), lambda config: (config["x"] - 0.2) ** 2, 30)
    config = made.suggest(30, told)
    _, codes, losses = made.observations(told)
    rng = made.rng(30)
    rng.random()
    good, bad = made.densities(codes, losses, rng)
    candidates = good.draw(64, 3.0, rng)
    best = candidates[np.argmin(ratio(bad, good, candidates))]
    assert [config["x"], config["y"]] == pytest.approx(best)
    assert abs(config["x"] - 0.2) < 0.2


def test_a_third_of_the_suggestions_are_random():
    made = searcher(random_fraction=1 / 3, rungs=())
    told = run(searcher(random_fraction=1.0, rungs=()), lambda config: (config["x"] - 0.2) ** 2, 20)
    space = SearchSpace.parse(PLANE)
    rngs = {number: made.rng(number) for number in range(20, 320)}
    random = [rng.random() < 1 / 3 and made.suggest(number, told) == space.sample(rng) for number, rng in rngs.items()]
    assert 0.25 < np.mean(random) < 0.42
