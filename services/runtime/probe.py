"""Asks a service how it is: `python -m services.runtime.probe 127.0.0.1:50052 live`, 0 if well.

For whoever starts containers and can ask only by a command inside them; Kubernetes asks by itself.
"""

import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_SECONDS = 5.0


def serves(address: str, name: str = "", seconds: float = _SECONDS) -> bool:
    """Whether a service says in time that it serves.

    Args:
        address: its `HEALTH_ADDRESS`, as gRPC writes addresses.
        name: `live`, whether it runs; empty, whether it is ready.
        seconds: how long it may take.
    """
    with grpc.insecure_channel(address) as channel:
        asked = health_pb2.HealthCheckRequest(service=name)
        try:
            said = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=seconds)
        except grpc.RpcError:
            return False
    return bool(said.status == health_pb2.HealthCheckResponse.SERVING)


def main(arguments: Sequence[str]) -> int:
    """0 if it serves, 1 if it does not, 2 if it was not said whom to ask."""
    match arguments:
        case [address]:
            return 0 if serves(address) else 1
        case [address, name]:
            return 0 if serves(address, name) else 1
        case _:
            sys.stderr.write("say an address, and a name if you ask for one\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
