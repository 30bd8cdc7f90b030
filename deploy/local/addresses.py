"""Addresses of this machine for processes that start later: each one is given out once.

An address is settled long before its process listens there, for others must know it. A number that
the system gave would be free again meanwhile, for the next who asks and for every connection that
anybody opens, so numbers come from below those that systems give to connections, and two programs
take them from different blocks.
"""

import secrets
import socket
from dataclasses import dataclass, field

from homeroom.errors import ServiceUnreachableError

_HOST = "127.0.0.1"
_BLOCK = 50
_BLOCKS = range(10_000, 32_000, _BLOCK)
"""Linux gives connections the numbers from 32,768 on, others those from 49,152 on."""


@dataclass(slots=True)
class _Blocks:
    """Blocks of numbers that are this program's while it runs."""

    left: list[int] = field(default_factory=list)

    def next(self) -> int:
        """A number at which nobody listens, and that was not given out before."""
        while True:
            if not self.left:
                self.left = list(self._claim())
            number = self.left.pop(0)
            if _is_free(number):
                return number

    def _claim(self) -> range:
        """A whole block, held by its first number's datagram socket, which ends with us."""
        blocks = list(_BLOCKS)
        while blocks:
            first = blocks.pop(secrets.randbelow(len(blocks)))
            claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                claim.bind((_HOST, first))
            except OSError:
                claim.close()
                continue
            # Nobody closes it: it is held until this program ends.
            claim.detach()
            return range(first, first + _BLOCK)
        raise ServiceUnreachableError("every block of addresses of this machine is taken")


_OURS = _Blocks()


def free_addresses(count: int, host: str = _HOST) -> list[str]:
    """Addresses at which nobody listens, none of which is given out again.

    Args:
        count: how many.
        host: this machine, or one of its names or addresses.
    """
    return [f"{host}:{_OURS.next()}" for _ in range(count)]


def _is_free(number: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind((_HOST, number))
        except OSError:
            return False
        return True
