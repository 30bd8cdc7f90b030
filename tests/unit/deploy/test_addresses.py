"""Addresses that are settled before anybody listens there are nobody else's meanwhile."""

import socket
import subprocess
import sys

from deploy.local.addresses import free_addresses
from deploy.local.layout import PROJECT

_TAKES = """
from deploy.local.addresses import free_addresses
print(*free_addresses(60), flush=True)
input()
"""


def test_no_address_is_given_out_twice_even_where_nobody_listens_yet() -> None:
    """The processes of a federation start one after the other, at addresses settled before."""
    taken = [address for _ in range(70) for address in free_addresses(2)]
    assert len(set(taken)) == 140


def test_two_programs_that_run_at_once_are_given_different_addresses() -> None:
    """Two suites, or a suite and a demo, run side by side on one machine."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", _TAKES],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    taken = []
    for program in programs:
        assert program.stdout is not None
        taken += program.stdout.readline().split()
    for program in programs:
        program.communicate("\n")
    assert len(set(taken)) == 180


def test_no_connection_is_given_an_address_of_ours() -> None:
    """A connection that a system numbered would take the place of a process to come."""
    numbers = [int(address.rpartition(":")[2]) for address in free_addresses(50)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = server.getsockname()[1]
    assert max(numbers) < 32_768 <= given


def test_an_address_where_somebody_listens_is_passed_over() -> None:
    """Our numbers are nobody's by right: another program may listen at one."""
    here = int(free_addresses(1)[0].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", here + 1)):
        assert free_addresses(1) != [f"127.0.0.1:{here + 1}"]
