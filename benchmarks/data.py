"""Reading training rows in random order: rows/s and memory of several ways, on the same rows, side by side.

    python benchmarks/data.py [--rows 40000] [--batch 128] [--epochs 3]        # the race
    python benchmarks/data.py --trials 1,2,5,10                                # memory of trials at once on one node
    python benchmarks/data.py --large 20                                       # train on a file of 20 GB

A row is a jet's: 800 numbers and a label. All ways give batches of torch tensors in an order shuffled over all rows,
but `raise-hpo, streamed`, which shuffles row groups and the rows of a few of them, `Ray Data`, which shuffles blocks
and a buffer, and `Hugging Face, streamed`, which shuffles shards and a buffer. Each runs in a process of its own on one
thread, the first epoch, which fills caches, apart from the others. `memory` is the most that the process ever held
(resident set), the libraries' own code included; `import only` shows how much that is. Files are in the page cache
after they were written, so that no disk is measured. Left out: loaders with several processes, which multiply
memory, and what training itself takes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data_race.files import write_large, write_rows
from data_race.memory import mapped_bytes, peak_bytes
from data_race.ways import WAYS, open_ours, read_ours

HERE = Path(__file__).resolve()
GIB = 2**30


def main() -> None:
    """Run what was asked for."""
    options = _options()
    if options.run:
        _run(json.loads(options.run))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.large:
            _large(Path(folder), options.large, options.batch)
        elif options.trials:
            _trials(Path(folder), [int(count) for count in options.trials.split(",")], options.rows, options.batch)
        else:
            _race(Path(folder), options.rows, options.batch, options.epochs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--trials", default="")
    parser.add_argument("--large", type=float, default=0.0, help="size of the file in GB")
    parser.add_argument("--folder", default=None, help="where files are written")
    parser.add_argument("--run", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _race(folder: Path, rows: int, batch: int, epochs: int) -> None:
    files = write_rows(folder, rows)
    print(f"{rows} rows of 800 numbers, {rows * 3204 / GIB:.2f} GiB; batches of {batch}")
    print(f"{'way':<28} {'rows/s':>9} {'first epoch':>12} {'memory':>9}   times as fast as h5py")
    found = {}
    for name in WAYS:
        told = _child({"way": name, "files": files, "batch": batch, "epochs": epochs, "cache": str(folder / "cache")})
        found[name] = told
        if "missing" in told:
            print(f"{name:<28} left out: {told['missing']}")
            continue
        print(f"{name:<28} {_figures(told, found)}", flush=True)


def _figures(told: dict[str, float], found: dict[str, dict[str, float]]) -> str:
    memory = f"{told['memory'] / GIB:6.2f} GiB"
    if not told["rows"]:
        return f"{'':>9} {'':>12} {memory}"
    ratio = told["rows"] / found["PyTorch Dataset over h5py"]["rows"]
    return f"{told['rows']:9.0f} {told['first']:12.0f} {memory}   {ratio:9.1f}"


def _trials(folder: Path, counts: list[int], rows: int, batch: int) -> None:
    """Several processes at once read the same rows; what they hold of them in all."""
    files = write_rows(folder, rows)
    print(f"{rows} rows, {rows * 3204 / GIB:.3f} GiB; processes at once, each reading an epoch in random order")
    print(f"{'trials':>6} {'data in memory, all together':>30} {'against one':>12}")
    one = 0
    for count in counts:
        asked = {"way": "hold", "files": files, "batch": batch, "epochs": 1, "cache": str(folder / "cache")}
        children = [_started(asked) for _ in range(count)]
        held = [json.loads(child.stdout.readline())["mapped"] for child in children]
        # All are asked once more when all have read: a page that several hold counts for each with its share.
        for child in children:
            child.stdin.write("again\n")
            child.stdin.flush()
        held = [json.loads(child.stdout.readline())["mapped"] for child in children]
        for child in children:
            child.communicate("", timeout=60)
        one = one or sum(held)
        print(f"{count:>6} {sum(held) / GIB:>26.3f} GiB {sum(held) / one:>12.3f}", flush=True)


def _large(folder: Path, gigabytes: float, batch: int) -> None:
    """Train a small network for an epoch on a file that does not fit."""
    began = time.monotonic()
    path, rows = write_large(folder, gigabytes)
    size = path.stat().st_size
    print(f"{rows} rows, {size / 1e9:.1f} GB in one file, written in {time.monotonic() - began:.0f} s", flush=True)
    told = _child({"way": "train", "files": {"parquet": str(path)}, "batch": batch, "epochs": 1, "cache": ""})
    print(f"one epoch of training: {told['rows']:.0f} rows/s, {told['rows'] * size / rows / 1e6:.0f} MB/s")
    print(f"rows seen: {told['seen']} of {rows}; most memory ever held (resident set): {told['memory'] / 1e9:.2f} GB")


def _started(asked: dict[str, object]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, str(HERE), "--run", json.dumps(asked)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=environment,
    )  # fmt: skip


def _child(asked: dict[str, object]) -> dict[str, float]:
    child = _started(asked)
    out, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"{asked['way']} failed")
    return dict(json.loads(out.splitlines()[-1]))


def _run(asked: dict[str, object]) -> None:
    """In a process of its own: one way of reading."""
    import torch

    torch.set_num_threads(1)
    if asked["way"] == "hold":
        rows = open_ours(asked["files"], asked["cache"])
        for _ in read_ours(rows, asked["batch"], epoch=0):
            pass
        print(json.dumps({"mapped": mapped_bytes(asked["cache"])}), flush=True)
        sys.stdin.readline()
        print(json.dumps({"mapped": mapped_bytes(asked["cache"])}), flush=True)
        sys.stdin.readline()
        return
    if asked["way"] == "train":
        from data_race.training import train

        print(json.dumps({**train(asked["files"]["parquet"], asked["batch"]), "memory": peak_bytes()}))
        return
    print(json.dumps({**_timed(asked), "memory": peak_bytes()}))


def _timed(asked: dict[str, object]) -> dict[str, object]:
    try:
        read = WAYS[asked["way"]](asked["files"], asked["batch"], asked["cache"])
    except ImportError as error:
        return {"missing": f"{error.name} is not installed", "rows": 0.0}
    seconds, rows = [], 0
    for epoch in range(asked["epochs"] if read else 0):
        began = time.perf_counter()
        rows = sum(len(label) for _, label in read(epoch))
        seconds.append(time.perf_counter() - began)
    if not seconds:
        return {"rows": 0.0}
    return {"rows": rows * len(seconds[1:]) / sum(seconds[1:]), "first": rows / seconds[0]}


if __name__ == "__main__":
    main()
