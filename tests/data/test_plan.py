from hypothesis import given
from hypothesis import strategies as st

from raise_hpo.data.plan import plan_epoch

groups = st.lists(st.integers(1, 50), min_size=1, max_size=30)


@given(groups, st.integers(1, 6), st.integers(1, 20), st.randoms())
def test_each_row_belongs_to_one_batch_of_one_worker(rows, workers, batch_size, random) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    plan = plan_epoch(rows, workers, batch_size, order)
    assert sorted(group for own in plan.groups for group in own) == sorted(order)
    for worker in range(workers):
        sizes = plan.batches(worker)
        assert sum(sizes) == plan.rows_of(worker)
        assert len(sizes) == plan.steps
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1


@given(groups, st.integers(1, 6))
def test_workers_differ_by_no_more_than_the_largest_row_group(rows, workers) -> None:
    plan = plan_epoch(rows, workers, 8, range(len(rows)))
    counts = [plan.rows_of(worker) for worker in range(workers)]
    assert max(counts) - min(counts) <= max(rows)


def test_parts_that_nobody_takes_are_left_out() -> None:
    plan = plan_epoch([4] * 8, 4, 4, range(8), taking=2)
    assert [list(own) for own in plan.groups] == [[0, 4], [1, 5]]
    assert plan.steps == 2
