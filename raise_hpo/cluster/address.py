"""Which address of a node its Ray is reached at from other nodes, and which ports are free."""

from __future__ import annotations

import socket

from raise_hpo.errors import UserError

_FIRST, _SPAN, _BLOCK = 20_000, 12_000, 8


def node_address(name: str, host_suffix: str = "", interface: str = "") -> str:
    """The IPv4 address of this node on the cluster's fast network, or else on its ordinary one.

    Args:
        name: The node's name.
        host_suffix: What to append to get its name on the fast network; taken only if that is an address of ours.
        interface: The fast network's interface.

    Raises:
        UserError: The interface has no address, or no address but the loopback's is found.
    """
    own = own_addresses()
    if interface:
        if interface not in own:
            raise UserError(f"{name} has no address on interface '{interface}'; it has {', '.join(sorted(own))}")
        return own[interface]
    candidates = [name + host_suffix, name] if host_suffix else [name]
    for candidate in (*candidates, socket.gethostname()):
        for address in resolved(candidate):
            if address in own.values() and not address.startswith("127."):
                return address
    others = [address for address in own.values() if not address.startswith("127.")]
    if not others:
        raise UserError(f"{name} has no network address but its loopback's")
    return others[0]


def own_addresses() -> dict[str, str]:
    """This node's IPv4 addresses by interface."""
    import psutil

    return {
        interface: address.address
        for interface, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
    }


def resolved(name: str) -> list[str]:
    """The IPv4 addresses of a name; none if it is unknown."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def free_port(job: int) -> int:
    """A free TCP port below those that systems give out by themselves, from a block of the job's own if possible."""
    base = job * _BLOCK % _SPAN
    for offset in range(_SPAN):
        port = _FIRST + (base + offset) % _SPAN
        if _is_free(port):
            return port
    raise UserError(f"no port between {_FIRST} and {_FIRST + _SPAN} is free on this node")


def _is_free(port: int) -> bool:
    try:
        for host in ("127.0.0.1", "0.0.0.0"):
            with socket.socket() as probe:
                probe.bind((host, port))
    except OSError:
        return False
    return True
