"""Run as another user: asks each port given for something, without a token; prints what each one answers."""

from __future__ import annotations

import http.client
import json
import socket
import sys

import grpc

GRPC_METHODS = (
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.CoreWorkerService/GetCoreWorkerStats",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.ReporterService/GetTraceback",
    "/ray.rpc.LogService/ListLogs",
    "/ray.rpc.InternalKVGcsService/InternalKVKeys",
    "/ray.rpc.RayletDriver/ClusterInfo",
)


def answer(host: str, port: int) -> str:
    """How a port answers: refused, 401, UNAUTHENTICATED, ... or open."""
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return "refused"
    told = _http(host, port)
    return told if told else _grpc(host, port)


def _http(host: str, port: int) -> str | None:
    """An HTTP server's status; None if it speaks something else."""
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        statuses = set()
        for path in ("/api/jobs/", "/api/v0/logs", "/metrics", "/get_or_create_runtime_env"):
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.read()
            statuses.add(reply.status)
    except (OSError, http.client.HTTPException):
        return None
    return "open" if 200 in statuses else f"HTTP {sorted(statuses)}"


def _grpc(host: str, port: int) -> str:
    """The first status that says more than that the method is not served there."""
    channel = grpc.insecure_channel(f"{host}:{port}")
    statuses = []
    for method in GRPC_METHODS:
        call = channel.unary_unary(method, request_serializer=None, response_deserializer=None)
        try:
            call(b"", timeout=3)
        except grpc.RpcError as error:
            statuses.append(error.code().name)
        else:
            return "open"
    channel.close()
    return next((status for status in statuses if status == "UNAUTHENTICATED"), ",".join(sorted(set(statuses))))


if __name__ == "__main__":
    found = {}
    for address in sys.argv[1:]:
        host, _, port = address.rpartition(":")
        found[address] = answer(host, int(port))
    print(json.dumps(found))
