"""A headless Chromium: what a page made of itself, what it complained about, what it asked the network for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", 
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--hide-scrollbars",
    "--enable-logging=stderr", "--virtual-time-budget=10000",
)  # fmt: skip

needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="NO BROWSER: chromium is not installed, pages are NOT tested"
)


@dataclass
class Page:
    """What became of a page.

    Attributes:
        dom: The document after its scripts ran.
        console: What it wrote to the console.
        requests: The addresses that it asked for.
    """

    dom: str
    console: list[str]
    requests: list[str]


def open_page(address: str, folder: Path, *flags: str) -> Page:
    """Load a page and let its scripts run."""
    netlog = folder / "net.json"
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={netlog}", *flags]
    done = subprocess.run([*command, "--dump-dom", address], capture_output=True, text=True, timeout=120, check=True)
    return Page(done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr), _requests(netlog))


def screenshot(address: str, file: Path, folder: Path, *flags: str) -> None:
    """Draw a page to a PNG file."""
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--screenshot={file}", *flags, address]
    subprocess.run(command, capture_output=True, timeout=120, check=True)


def _requests(netlog: Path) -> list[str]:
    """Addresses that the page asked for, from Chromium's network log.

    The page itself, from a file, is not in it; what the browser asks for on its own account has no origin.
    """
    text = netlog.read_text(errors="replace").rstrip().rstrip(",")
    log = json.loads(text if text.endswith("}") and '"polledData"' in text else text + "]}")
    started = [event["params"] for event in log["events"] if "initiator" in event.get("params", {})]
    return sorted({params["url"] for params in started if params["initiator"] != "not an origin"})
