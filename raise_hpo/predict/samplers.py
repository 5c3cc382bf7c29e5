"""Who solves a QUBO: simulated annealing here, or D-Wave's quantum annealer; both behind dimod's interface."""

from __future__ import annotations

from typing import Any, Literal

from raise_hpo.errors import UserError

SamplerName = Literal["simulated_annealing", "dwave"]

_SWEEPS, _READS = 100, 20
_READS_DWAVE = 1000


def make_sampler(name: SamplerName, seed: int) -> tuple[Any, dict[str, Any]]:
    """A sampler and the options of its method ``sample``.

    Raises:
        UserError: ``dwave`` is asked for, and its extra is not installed or D-Wave's service cannot be reached.
    """
    if name == "dwave":
        return _quantum_annealer(), {"num_reads": _READS_DWAVE}
    from dwave.samplers import SimulatedAnnealingSampler

    return SimulatedAnnealingSampler(), {"num_reads": _READS, "num_sweeps": _SWEEPS, "seed": seed}


def _quantum_annealer() -> Any:
    try:
        from dwave.system import DWaveSampler, EmbeddingComposite
    except ImportError as error:
        raise UserError(
            f"qsvr with the sampler dwave needs an extra ({error}): pip install 'raise-hpo[quantum]'"
        ) from None
    try:
        return EmbeddingComposite(DWaveSampler())
    except Exception as error:
        raise UserError(
            f"qsvr: D-Wave's annealer cannot be used ({' '.join(str(error).split())}); "
            "set the token with 'dwave config create', or choose the sampler simulated_annealing"
        ) from None
