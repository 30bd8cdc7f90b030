"""Opens channels: TLS in both directions, to the one organization that is meant."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from homeroom.identity import Identity

_SEVERAL = ("dns:///", "ipv4:", "ipv6:")
_SPREAD = (("grpc.lb_policy_name", "round_robin"),)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    # Also how long one try may take, its TLS handshake included: a busy peer is not an absent one.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A window that grows with the wire keeps more of an answer in memory than it gains.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 262_144),
)


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """A caller's certificate, its key, and the authorities it trusts; PEM."""

    certificate: bytes
    private_key: bytes
    authorities: bytes

    @classmethod
    def load(cls, certificate: Path, private_key: Path, authorities: Path) -> "ClientCredentials":
        return cls(certificate.read_bytes(), private_key.read_bytes(), authorities.read_bytes())


def has_several(address: str) -> bool:
    """Whether an address may be those of several replicas."""
    return address.startswith(_SEVERAL)


def open_channel(address: str, peer: Identity, credentials: ClientCredentials) -> grpc.aio.Channel:
    """A channel that TLS completes only if the peer's certificate names this peer.

    Args:
        address: `host:port`; or `dns:///host:port` or `ipv4:host:port,host:port`, whose calls take
            turns over all replicas of the peer that are found there.
        peer: whom to reach.
        credentials: who calls.
    """
    spread = _SPREAD if has_several(address) else ()
    return grpc.aio.secure_channel(
        address,
        grpc.ssl_channel_credentials(
            credentials.authorities, credentials.private_key, credentials.certificate
        ),
        options=(*_OPTIONS, *spread, ("grpc.ssl_target_name_override", peer.dns_name)),
    )
