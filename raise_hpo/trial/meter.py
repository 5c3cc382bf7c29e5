"""What an epoch cost: seconds, GPU utilisation and energy, as far as the hardware tells."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

_RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


class Meter:
    """A context that measures the work inside it; `readings` holds the figures afterwards.

    ``seconds`` is always there. On a GPU, ``gpu_busy`` (share of the time, 0-1, as NVML samples it at the end) and
    ``energy_joule`` of that GPU; on a CPU, ``energy_joule`` of the package where its RAPL counter can be read.
    A figure that cannot be measured is absent.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.readings: dict[str, float] = {}
        self._gpu = _nvml_handle(device)

    def __enter__(self) -> Meter:
        self.started = time.perf_counter()
        self._energy = self._joules()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.readings["seconds"] = time.perf_counter() - self.started
        energy = self._joules()
        if energy is not None and self._energy is not None and energy >= self._energy:
            self.readings["energy_joule"] = energy - self._energy
        if self._gpu is not None:
            import pynvml

            with suppress(pynvml.NVMLError):
                self.readings["gpu_busy"] = pynvml.nvmlDeviceGetUtilizationRates(self._gpu).gpu / 100

    def _joules(self) -> float | None:
        if self._gpu is not None:
            import pynvml

            with suppress(pynvml.NVMLError):
                return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu)) / 1e3
            return None
        with suppress(OSError, ValueError):
            return int(_RAPL.read_text()) / 1e6
        return None


def _nvml_handle(device: torch.device) -> Any:
    """NVML's handle of a CUDA device, by UUID because CUDA may number the devices otherwise; None without NVML."""
    if device.type != "cuda":
        return None
    import pynvml

    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode())
    return None
