"""Tells systemd, where it started the process, that it serves and that its loop still turns.

A process that hangs ends nothing by itself: with `WatchdogSec=` in its unit systemd starts it
again. The words are those of sd_notify(3).
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress

_A_MICROSECOND = 1e-6


class Systemd:
    """Whoever started this process, if it listens; else nobody is told anything."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Takes the variables that systemd sets for a unit of `Type=notify`."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        # A child of the one that is watched has the variables too.
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        told = environment.get("WATCHDOG_USEC", "") if meant else ""
        self._every = int(told) * _A_MICROSECOND / 2 if told.isdecimal() else 0.0

    async def follow(self) -> None:
        """Says that it serves, and again and again that it does not hang."""
        self._tell("READY=1")
        while self._address and self._every:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._every)

    def stopping(self) -> None:
        """Says that it is about to end, which may take a while."""
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is an abstract one.
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        # What cannot be told is not worth an end: systemd acts if it hears nothing.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.setblocking(False)
            there.sendto(state.encode(), address)
