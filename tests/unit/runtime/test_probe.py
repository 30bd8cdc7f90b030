"""The probe says that a service is well only where the service says so, and in time."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.runtime.probe import main, serves

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path}/health"


@pytest.fixture
def told(address: str) -> Iterator[health.HealthServicer]:
    """What a service says of itself there: it runs, and is not ready."""
    servicer = health.HealthServicer()
    servicer.set("live", SERVING)
    servicer.set("", NOT_SERVING)
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(address)
    server.start()
    yield servicer
    server.stop(None).wait()


@pytest.mark.usefixtures("told")
def test_it_tells_a_service_that_runs_from_one_that_is_ready(address: str) -> None:
    assert main([address, "live"]) == 0
    assert main([address]) == 1


@pytest.mark.usefixtures("told")
def test_a_name_that_the_service_does_not_know_is_not_well(address: str) -> None:
    assert not serves(address, "unheard")


def test_a_service_that_becomes_ready_is_well(address: str, told: health.HealthServicer) -> None:
    told.set("", SERVING)

    assert serves(address)


def test_nobody_there_is_not_well(address: str) -> None:
    assert main([address, "live"]) == 1


def test_whoever_takes_the_call_and_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    """So hangs a process: the system takes connections for it."""
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "health"))
        hanging.listen()
        began = time.monotonic()

        assert not serves(f"unix:{tmp_path}/health", "live", seconds=0.3)
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("asked", [[], ["127.0.0.1:1", "live", "more"]])
def test_what_was_not_asked_rightly_is_neither_well_nor_ill(asked: list[str]) -> None:
    assert main(asked) == 2
