"""How long a shower takes: the 3DGAN of published size beside the Monte Carlo that makes the training showers.

    python benchmarks/calogan_inference.py [--batches 1,8,64,128] [--streams 1,2] [--device cpu] [--width 1.0]

Prints milliseconds a shower, by batch size and number of streams (threads, each with a network of its own and one
thread of torch), for the eager network in fp32 and bf16 and for the compiled one, and how many times faster than the
Monte Carlo that is. The Monte Carlo runs on one core in this process, at energies spread evenly over 10 to 500 GeV as
the generator's are. The networks are not trained, which does not change their time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import torch

from trainables.calogan.generate import Recipe, shower
from trainables.calogan.net import FIXED_ANGLE, Generator

MODES = ("fp32", "bf16", "compiled")


def monte_carlo(showers: int) -> float:
    """Milliseconds of processor time a shower."""
    recipe = Recipe(showers + 1, 1)
    shower(recipe, showers)  # Compiled, or read from numba's cache, at the first call.
    begin = time.process_time()
    for index in range(showers):
        shower(recipe, index)
    return 1e3 * (time.process_time() - begin) / showers


def network(mode: str, width: float, device: torch.device) -> Callable[[int], None]:
    """A function that makes a batch of showers of the given size and waits until it is there."""
    generator: Callable[..., torch.Tensor] = Generator(FIXED_ANGLE, width, 200).to(device).eval()
    if mode == "compiled":
        generator = torch.compile(generator)

    def run(batch: int) -> None:
        energy, theta = 0.1 + 4.9 * torch.rand(batch, device=device), torch.full((batch,), 1.57, device=device)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=mode == "bf16"):
            generator(energy, theta, torch.randn(batch, 200, device=device))
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


def _stream(run: Callable[[int], None], batch: int, until: float) -> int:
    made = 0
    while made == 0 or time.perf_counter() < until:
        run(batch)
        made += batch
    return made


def milliseconds(runs: list[Callable[[int], None]], batch: int, seconds: float) -> float:
    """Wall time a shower with all streams at work, after a batch each to warm up."""
    for run in runs:
        run(batch)
    with ThreadPoolExecutor(len(runs)) as pool:
        begin = time.perf_counter()
        made = sum(pool.map(lambda run: _stream(run, batch, begin + seconds), runs))
    return 1e3 * (time.perf_counter() - begin) / made


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", default="1,8,64,128")
    parser.add_argument("--streams", default="1,2")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--showers", type=int, default=20, help="showers of the Monte Carlo")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    slow = monte_carlo(asked.showers)
    print(f"Monte Carlo: {slow:.0f} ms a shower on one core")
    print(f"{'network':10} {'batch':>6} {'streams':>8} {'ms a shower':>12} {'times faster':>13}")
    for mode in asked.modes.split(","):
        for batch, streams in product(map(int, asked.batches.split(",")), map(int, asked.streams.split(","))):
            runs = [network(mode, asked.width, torch.device(asked.device)) for _ in range(streams)]
            found = milliseconds(runs, batch, asked.seconds)
            print(f"{mode:10} {batch:6} {streams:8} {found:12.2f} {slow / found:13.0f}", flush=True)


if __name__ == "__main__":
    main()
