"""The doctor's probe of a compute node: ``python -m raise_hpo.cluster.doctor.probe NODE...``, with all nodes' names.

It runs on all nodes of a job at once and writes ``report-NODE.json`` into the doctor's folder, anew after each stage,
so that a probe that hangs or is killed has told what it knew.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from raise_hpo.cluster.doctor import collectives, node_facts, peers, ray_start
from raise_hpo.cluster.doctor.facts import NodeFacts
from raise_hpo.cluster.job import Setting

_MEET_SECONDS = 90.0
_STAGE_SECONDS = 120.0


class Probe:
    """Looks at this node, and together with the others at what is between them.

    Args:
        setting: What the batch script exported.
        nodes: The names of all nodes, the batch script's first.
    """

    def __init__(self, setting: Setting, nodes: list[str]) -> None:
        self.setting = setting
        self.nodes = nodes
        self.folder = setting.study.path
        self.request = json.loads((self.folder / "request.json").read_text())
        self._signalled = False
        signal.signal(signal.SIGUSR1, self._on_signal)

    def run(self) -> None:
        """All stages, one after another; what needs nodes that reach each other is left out where they do not."""
        facts = node_facts.gather(self.setting, self.request["data"])
        self._tell(facts, "looked")
        with ExitStack() as stack:
            together = self._meet(facts, stack) and self._ask_peers(facts)
        if together:
            self._reduce(facts)
            self._tell(facts, "reduced")
            facts.ray = ray_start.start(self.setting, facts.node, self.nodes)
        self._tell(facts, "done")

    def _meet(self, facts: NodeFacts, stack: ExitStack) -> bool:
        """Tell the others where this node is, and wait for them."""
        began = time.monotonic()
        try:
            answers = stack.enter_context(peers.Answers(self.folder, facts.address or "0.0.0.0"))
        except OSError as error:
            facts.address_problem = facts.address_problem or f"nothing can listen on {facts.address} ({error.strerror})"
            answers = stack.enter_context(peers.Answers(self.folder, "0.0.0.0"))
        _write(self.folder / f"here-{facts.node}", json.dumps([facts.address or facts.node, answers.port]))
        facts.met = self._wait("here", _MEET_SECONDS)
        facts.meet_seconds = time.monotonic() - began
        self._tell(facts, "met")
        return len(facts.met) == len(self.nodes)

    def _ask_peers(self, facts: NodeFacts) -> bool:
        """Ask other nodes, and answer until all have asked; whether all were answered, which all nodes know alike."""
        for peer in peers.neighbours(facts.node, self.nodes):
            host, port = json.loads((self.folder / f"here-{peer}").read_text())
            facts.peers[peer] = peers.ask(self.folder, facts.node, peer, host, port)
        self._tell(facts, "asked")
        answered = not any(peer.problem for peer in facts.peers.values())
        _write(self.folder / f"asked-{facts.node}", "answered" if answered else "")
        if len(self._wait("asked", _STAGE_SECONDS)) < len(self.nodes):
            return False
        return all((self.folder / f"asked-{node}").read_text() for node in self.nodes)

    def _reduce(self, facts: NodeFacts) -> None:
        if len(self.nodes) == 1:
            return
        host, _ = json.loads((self.folder / f"here-{self.nodes[0]}").read_text())
        rank = self.nodes.index(facts.node)
        for backend in ("gloo", "nccl") if self.request["gpus"] else ("gloo",):
            facts.reduced[backend] = collectives.all_reduce(backend, rank, len(self.nodes), host, self.folder)

    def _wait(self, stage: str, seconds: float) -> list[str]:
        """Wait for a file of each node; the nodes whose files are there."""
        deadline = time.monotonic() + seconds
        while True:
            there = {*os.listdir(self.folder)}
            found = [node for node in self.nodes if f"{stage}-{node}" in there]
            if len(found) == len(self.nodes) or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _tell(self, facts: NodeFacts, stage: str) -> None:
        facts.stage = stage
        facts.signalled = self._signalled
        _write(self.folder / f"report-{facts.node}.json", facts.model_dump_json())

    def _on_signal(self, number: int, frame: Any) -> None:
        self._signalled = True


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, as others see it."""
    part = path.with_name(f"part-{path.name}")
    part.write_text(text)
    os.replace(part, path)


def main() -> int:
    """Probe this node of the job."""
    Probe(Setting.of({"RAISE_HPO_RUN": "", **os.environ}), sys.argv[1:]).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
