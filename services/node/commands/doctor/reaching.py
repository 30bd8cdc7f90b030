"""Reaches a peer as the node does, and says why it cannot: the name, the way, the certificate."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from homeroom.identity import Identity
from services.node.commands.doctor.finding import Finding, fine, wrong

_SECONDS = 5.0
_SCHEMES = ("dns:///", "ipv4:", "ipv6:")
_TOLD_AT_ONCE = 1
"""A server over HTTP/2 speaks first; one that refuses our certificate says so in its place."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: certificate, key, and whom it trusts; files in PEM."""

    certificate: Path
    private_key: Path
    authorities: Path

    def context(self) -> ssl.SSLContext:
        """TLS as the node speaks it."""
        made = ssl.create_default_context(cafile=str(self.authorities))
        made.load_cert_chain(self.certificate, self.private_key)
        made.set_alpn_protocols(["h2"])
        return made


def reach(what: str, address: str, peer: Identity, caller: Caller) -> Finding:
    """Whether a peer answers there, is who it must be, and takes our certificate."""
    place = address
    for scheme in _SCHEMES:
        place = place.removeprefix(scheme)
    host, _, number = place.partition(",")[0].rpartition(":")
    try:
        socket.getaddrinfo(host.strip("[]"), int(number), type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        remedy = "compare the setting with what your hub gave out, and ask your name server"
        return wrong(what, f"{place}: the name leads nowhere", remedy)
    try:
        with (
            socket.create_connection((host.strip("[]"), int(number)), _SECONDS) as plain,
            caller.context().wrap_socket(plain, server_hostname=peer.dns_name) as secure,
        ):
            if not secure.recv(_TOLD_AT_ONCE):
                raise ConnectionResetError
    except OSError as failed:
        return wrong(what, f"{place}: {why(failed, peer)}", _remedy(failed))
    return fine(what, f"{place} is {peer.dns_name}")


def why(failed: OSError, peer: Identity) -> str:
    """Why nobody was reached, in words."""
    match failed:
        case ssl.SSLCertVerificationError():
            return f"its certificate does not hold for {peer.dns_name}: {failed.verify_message}"
        case ssl.SSLError() | ConnectionResetError():
            return "it breaks off: it may not take this node's certificate"
        case ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError():
            return f"no answer in {_SECONDS:.0f} seconds"
        case _:
            return failed.strerror or type(failed).__name__


def _remedy(failed: OSError) -> str:
    match failed:
        case ssl.SSLCertVerificationError():
            return (
                "make sure of the address, both clocks and the authorities; then ask its operator"
            )
        case ssl.SSLError() | ConnectionResetError():
            return "see what is said here of your certificate, then ask its operator"
        case ConnectionRefusedError():
            return "ask its operator whether it runs; a firewall may refuse as well"
        case _:
            return "ask whoever runs your firewall to let this machine out to that address"
