"""Ray's own ``ray start``, with its client server on the loopback, for which Ray has no option."""

from __future__ import annotations

from typing import Any

from ray._private import services
from ray.scripts.scripts import main

_start_client_server = services.start_ray_client_server


def _on_loopback(address: str, host: str, *rest: Any, **options: Any) -> Any:
    return _start_client_server(address, "127.0.0.1", *rest, **options)


if __name__ == "__main__":
    setattr(services, _start_client_server.__name__, _on_loopback)
    main()
