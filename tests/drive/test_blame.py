"""Which node is to blame."""

from __future__ import annotations

from raise_hpo.drive.blame import NodeBlame


def test_three_trials_that_fail_on_one_node_while_others_work() -> None:
    blame = NodeBlame()
    assert blame.failed("bad", 1) is None
    blame.worked("good")
    assert blame.failed("bad", 2) is None
    why = blame.failed("bad", 3)
    assert why is not None and "trials 1, 2, 3" in why


def test_failures_everywhere_are_no_nodes_fault() -> None:
    blame = NodeBlame()
    assert [blame.failed(node, trial) for trial in range(5) for node in ("one", "other")] == [None] * 10


def test_an_epoch_done_clears_a_node() -> None:
    blame = NodeBlame()
    for trial in range(10):
        blame.worked("good")
        assert blame.failed("bad", trial) is None
        blame.worked("bad")


def test_one_trial_that_fails_again_and_again_is_one_failure() -> None:
    blame = NodeBlame()
    blame.failed("bad", 1)
    blame.worked("good")
    assert [blame.failed("bad", 1) for _ in range(5)] == [None] * 5
