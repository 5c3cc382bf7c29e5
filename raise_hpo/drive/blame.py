"""Which node is to blame where trials fail on one again and again, and go on elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

_FAILURES = 3


@dataclass
class _Record:
    trials: list[int] = field(default_factory=list)
    others_worked: bool = False


class NodeBlame:
    """Counts failures by node.

    A node is to blame after failures of three trials with no epoch between them, if an epoch was done on another node
    since the first: what fails everywhere is no node's fault.
    """

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def worked(self, node: str) -> None:
        """An epoch was done on a node."""
        self._records.pop(node, None)
        for record in self._records.values():
            record.others_worked = True

    def failed(self, node: str, trial: int) -> str | None:
        """A trial failed on a node; why the node is to be excluded, or None."""
        record = self._records.setdefault(node, _Record())
        if trial not in record.trials:
            record.trials.append(trial)
        if len(record.trials) < _FAILURES or not record.others_worked:
            return None
        del self._records[node]
        named = ", ".join(map(str, record.trials))
        return f"trials {named} failed there one after another, while others went on elsewhere"
