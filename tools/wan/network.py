"""Makes namespaces of the network, each a place of its own, and the wide network between them."""

import ctypes
import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.wan.forwarding import PREFIX, Weather

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x1, 0x1000
_DEVICE = "wan0"
_MTU = "1400"
_TUN = Path("/dev/net/tun")


class NoNetworkError(Exception):
    """This machine does not let such a network be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """One site.

    Attributes:
        number: of its address, from 1 to 254.
        process: who keeps its namespace.
    """

    name: str
    number: int
    process: int

    @property
    def address(self) -> str:
        return f"{PREFIX[0]}.{PREFIX[1]}.{self.number}.1"

    @property
    def command(self) -> list[str]:
        """What runs a command there."""
        return ["nsenter", f"--net=/proc/{self.process}/ns/net", "--"]


class Network:
    """The places, and what lies between them."""

    def __init__(self, places: Sequence[Place], orders: int) -> None:
        self.places = {place.name: place for place in places}
        self._orders = orders

    def cut(self, one: str, other: str) -> None:
        """From now on nothing passes between two places."""
        self._order("cut", one, other)

    def heal(self, one: str, other: str) -> None:
        """It passes again."""
        self._order("heal", one, other)

    def _order(self, verb: str, one: str, other: str) -> None:
        order = f"{verb} {self.places[one].number} {self.places[other].number}\n"
        os.write(self._orders, order.encode())


@contextmanager
def network(names: Sequence[str], weather: Weather, seed: int) -> Iterator[Network]:
    """Places that reach each other over a network with this weather, until the block ends.

    Raises:
        NoNetworkError: if this machine does not let it be made.
    """
    _require_possible()
    with ExitStack() as stack:
        places = [stack.enter_context(_place(name, n)) for n, name in enumerate(names, start=1)]
        ends = {place.number: _device(place) for place in places}
        for end in ends.values():
            stack.callback(os.close, end)
        told = [str(weather.delay), str(weather.jitter), str(weather.loss), str(seed)]
        heard, orders = os.pipe()
        forwarder = subprocess.Popen(
            [sys.executable, "-m", "tools.wan.forwarding", *told]
            + [f"{number}:{end}" for number, end in ends.items()],
            stdin=heard,
            pass_fds=tuple(ends.values()),
        )
        os.close(heard)
        stack.callback(forwarder.wait)
        stack.callback(os.close, orders)
        yield Network(places, orders)


def enter(process: int) -> None:
    """Puts this thread, and all that it starts from now on, onto the network of a process."""
    with Path(f"/proc/{process}/ns/net").open("rb") as namespace:
        _set_namespace(namespace.fileno())


def _require_possible() -> None:
    if os.geteuid() != 0:
        raise NoNetworkError("it needs root")
    if not _TUN.exists():
        raise NoNetworkError(f"there is no {_TUN}")
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if tried.returncode:
        raise NoNetworkError("namespaces of the network are not allowed here")


@contextmanager
def _place(name: str, number: int) -> Iterator[Place]:
    said, ready = os.pipe()
    kept = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep infinity"],
        stdout=ready,
    )
    os.close(ready)
    try:
        if not os.read(said, 16):
            raise NoNetworkError("a namespace could not be made")
        yield Place(name, number, kept.pid)
    finally:
        os.close(said)
        kept.kill()
        kept.wait()


def _device(place: Place) -> int:
    """The file of a TUN device that is the place's way out."""
    with Path("/proc/self/ns/net").open("rb") as own:
        enter(place.process)
        try:
            end = os.open(_TUN, os.O_RDWR)
            asked = struct.pack("16sH22s", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI, b"")
            fcntl.ioctl(end, _TUNSETIFF, asked)
            ip = ["ip", "link", "set", _DEVICE, "mtu", _MTU, "up"]
            subprocess.run(ip, check=True)
            ip = ["ip", "addr", "add", f"{place.address}/{8 * len(PREFIX)}", "dev", _DEVICE]
            subprocess.run(ip, check=True)
        finally:
            _set_namespace(own.fileno())
    return end


def _set_namespace(file: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(file, _CLONE_NEWNET):
        raise NoNetworkError(os.strerror(ctypes.get_errno()))
