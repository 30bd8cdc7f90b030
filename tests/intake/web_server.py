"""A real HTTP server on a socket of this machine, whose answers a test may spoil."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

KEY, SECRET = "key:of us", "secret & of/us"


class Asked(NamedTuple):
    """One request that the server saw."""

    method: str
    path: str
    fields: dict[str, str]
    headers: dict[str, str]


class Answer(NamedTuple):
    """What the server answers."""

    value: Any = None
    headers: Mapping[str, str] = {}
    status: int = 200


Spoil = Callable[["WebHandler"], None]


class WebServer:
    """A server that gives tokens, and answers what `answer` says to whoever has one.

    Attributes:
        asked: every request, in order.
        token_uses: how many questions a token is good for.
        before: called with each question of a path before it is answered.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.token_uses = 10_000
        self.before: Callable[[Asked], None] = lambda _asked: None
        self._spoiled: list[tuple[str, int, Spoil]] = []
        self._tokens: dict[str, int] = {}
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), WebHandler)
        self._httpd.daemon_threads = True
        self._scheme = "https" if tls else "http"
        if tls:
            self._httpd.socket = tls.wrap_socket(self._httpd.socket, server_side=True)
        self._httpd.site = self  # type: ignore[attr-defined]  # the handler finds us by it
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self._scheme}://127.0.0.1:{self._httpd.server_address[1]}"

    def close(self) -> None:
        """Stops it."""
        self._httpd.shutdown()
        self._thread.join()
        self._httpd.server_close()

    def spoil(self, path: str, how: Spoil, *, after: int = 0, times: int = 1) -> None:
        """Spoils answers to questions whose path ends so, after so many good ones."""
        self._spoiled += [(path, after, how), *[(path, 0, how)] * (times - 1)]

    def spoiling(self, path: str) -> Spoil | None:
        """How to spoil this answer, if it is to be."""
        for place, (end, after, how) in enumerate(self._spoiled):
            if path.endswith(end):
                if after:
                    self._spoiled[place] = (end, after - 1, how)
                    return None
                del self._spoiled[place]
                return how
        return None

    def answer(self, asked: Asked) -> Answer:
        """The answer to a question that has a token."""
        raise NotImplementedError

    def answer_anyone(self, asked: Asked) -> Answer | None:
        """The answer to a question that needs no token; None for others."""
        if asked.path == "/oauth/token" and asked.method == "POST":
            return self._token(asked)
        return None

    def lets(self, asked: Asked) -> bool:
        """Whether a question has a good token."""
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        self._tokens[token] = self._tokens.get(token, 0) - 1
        return self._tokens[token] >= 0

    def _token(self, asked: Asked) -> Answer:
        told = base64.b64decode(asked.headers.get("authorization", "").removeprefix("Basic "))
        [(key, secret)] = parse_qsl(told.decode().replace(":", "=", 1))
        if (key, secret) != (KEY, SECRET) or asked.fields["grant_type"] != "client_credentials":
            return Answer(status=401)
        token = f"token-{len(self._tokens)}"
        self._tokens[token] = self.token_uses
        return Answer({"access_token": token, "expires_in": 1800, "token_type": "bearer"})


class WebHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    timeout = 20
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def log_message(self, *_said: Any) -> None:
        """Says nothing."""

    def send(self, answer: Answer) -> None:
        """Sends an answer as it should be."""
        body = b"" if answer.value is None else json.dumps(answer.value).encode()
        self.raw(answer.status, body, {"Content-Type": "application/json", **answer.headers})

    def raw(
        self, status: int, body: bytes, headers: Mapping[str, str], said_length: int | None = None
    ) -> None:
        """Sends an answer as it is."""
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body) if said_length is None else said_length))
        self.end_headers()
        self.wfile.write(body)

    def _do(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        fields = dict(parse_qsl(parts.query)) | dict(parse_qsl(body))
        headers = {name.lower(): text for name, text in self.headers.items()}
        asked = Asked(self.command, parts.path, fields, headers)
        site: WebServer = self.server.site  # type: ignore[attr-defined]  # set by the server
        site.asked.append(asked)
        if how := site.spoiling(asked.path):
            how(self)
            return
        site.before(asked)
        answer = site.answer_anyone(asked)
        if answer is None:
            answer = site.answer(asked) if site.lets(asked) else Answer(status=401)
        self.send(answer)


def status(code: int, **headers: str) -> Spoil:
    """A refusal, with headers such as `retry_after`."""
    told = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda handler: handler.raw(code, b"Zo\xc3\xab is not served", told)


def cut_off(handler: WebHandler) -> None:
    """Half of what was said to come."""
    handler.raw(200, b'[{"id": "00', {"Content-Type": "application/json"}, said_length=4_000)
    handler.close_connection = True


def no_json(handler: WebHandler) -> None:
    """A page for people, as a proxy gives it."""
    handler.raw(200, b"<h1>Welcome</h1>", {"Content-Type": "text/html"})


def broken_json(handler: WebHandler) -> None:
    """A whole body that is no JSON."""
    handler.raw(200, b'[{"firstName": "Zo', {"Content-Type": "application/json"})


def huge(size: int) -> Spoil:
    """An answer that is larger than any page."""

    def send(handler: WebHandler) -> None:
        body = b"[" + b" " * size + b"]"
        try:
            handler.raw(200, body, {"Content-Type": "application/json"})
        except OSError:
            handler.close_connection = True  # whoever asked has hung up

    return send


def slow(released: threading.Event) -> Spoil:
    """An answer that does not come until it is let."""

    def send(handler: WebHandler) -> None:
        released.wait(20)
        handler.close_connection = True

    return send


def elsewhere(url: str) -> Spoil:
    """Sends to another place."""
    return lambda handler: handler.raw(302, b"", {"Location": url})
