"""Serves one page to Prometheus, from threads of its own: no call waits for it.

Whoever reaches the port reads it, as the port of health: keep both from everybody else.
"""

import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from homeroom.errors import RequestInvalidError, ServiceUnreachableError
from services.runtime.logs import log

PATH = "/metrics"
_POLL_SECONDS = 0.1


class MetricsPage:
    """The page of one service; it listens until it is closed.

    Attributes:
        port: where.
    """

    def __init__(self, address: str, registry: CollectorRegistry) -> None:
        """Listens.

        Raises:
            RequestInvalidError: if that is no host:port.
            ServiceUnreachableError: if it cannot listen there.
        """
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise RequestInvalidError("the page for metrics needs host:port", address=address)
        try:
            self._server = _Server((host.strip("[]"), int(port)), registry)
        except (OSError, OverflowError):
            raise ServiceUnreachableError("cannot listen there", address=address) from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Listens no longer; takes a moment."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Who keeps a connection open holds no stop up.
    block_on_close = False

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)
        self.registry = registry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that went away is nothing to tell of, and a traceback could tell too much."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5
    server_version = "homeroom"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            page = generate_latest(self.server.registry)
        except Exception as error:  # by type only: its text may hold anything
            log.error("the page for metrics failed", error_type=type(error).__name__)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        """Who reads the page is not logged: it would be a line every few seconds."""
