"""Reaches a peer as the node does, and says why it cannot: the name, the way, the certificate."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from homeroom.identity import Identity
from services.node.commands.doctor.finding import Finding, fine, look, wrong

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
    """Whether a peer answers there, is who it must be, and takes our certificate.

    Every place is tried that the address leads to: each may be a replica that has calls of its own.
    """
    failed: dict[str, str] = {}
    remedies: list[str] = []
    reached: list[str] = []
    for place in places(address):
        try:
            found = _resolved(place)
        except (OSError, ValueError):
            failed[place] = "the name leads nowhere"
            remedies.append(
                "compare the setting with what your hub gave out, and ask your name server"
            )
            continue
        for host, port in found:
            told = place if len(found) == 1 else f"{place} at {host}"
            refused = _refusal(host, port, peer, caller)
            if refused is None:
                reached.append(told)
            else:
                failed[told] = why(refused, peer)
                remedies.append(_remedy(refused))
    said = "; ".join(f"{place}: {because}" for place, because in failed.items())
    if not reached:
        return wrong(what, said, remedies[0])
    if failed:
        return look(
            what, f"{len(reached)} of {len(reached) + len(failed)} answer: {said}", remedies[0]
        )
    return fine(what, f"{', '.join(reached)} is {peer.dns_name}")


def places(address: str) -> list[str]:
    """Each host:port that an address names, as gRPC reads it: `ipv4:10.0.0.1:443,10.0.0.2:443`."""
    for scheme in _SCHEMES:
        address = address.removeprefix(scheme)
    return address.split(",")


def _resolved(place: str) -> list[tuple[str, int]]:
    """The addresses of a place: by IPv4 where there are any, as a machine may have no IPv6."""
    host, _, number = place.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(number), type=socket.SOCK_STREAM)
    by_family: dict[int, list[tuple[str, int]]] = {}
    for family, _, _, _, there in found:
        by_family.setdefault(family, []).append((str(there[0]), int(there[1])))
    one = by_family.get(socket.AF_INET) or next(iter(by_family.values()))
    return list(dict.fromkeys(one))


def _refusal(host: str, port: int, peer: Identity, caller: Caller) -> OSError | None:
    """Why there is no call to be made there; None if there is."""
    try:
        with (
            socket.create_connection((host, port), _SECONDS) as plain,
            caller.context().wrap_socket(plain, server_hostname=peer.dns_name) as secure,
        ):
            if not secure.recv(_TOLD_AT_ONCE):
                return ConnectionResetError()
    except OSError as failed:
        return failed
    return None


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
