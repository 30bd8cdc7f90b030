"""A service without any method, run as a process: it stops soon, or fails as its argument says."""

import os
import signal
import sys
import threading
import time

from homeroom.errors import PolicyUnavailableError
from services.runtime.process import run_service
from services.runtime.server import Server
from services.runtime.settings import ServiceSettings


async def build(settings: ServiceSettings) -> Server:
    """A server that is told to stop shortly after it is ready."""
    if sys.argv[1] == "no policy":
        raise PolicyUnavailableError("there is no usable policy")
    server = Server(settings, {})
    server.ready_after(_told_to_stop)
    if sys.argv[1] == "half working":
        server.in_background(_failing(), "registry feed")
    return server


async def _told_to_stop() -> None:
    if sys.argv[1] == "hanging":
        time.sleep(1)  # noqa: ASYNC251  # nothing else turns meanwhile: that is the matter
    if sys.argv[1] in {"stopped", "hanging"}:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()


async def _failing() -> None:
    raise LookupError("Zebulonia")


if __name__ == "__main__":
    sys.exit(run_service("example", ServiceSettings, build))
