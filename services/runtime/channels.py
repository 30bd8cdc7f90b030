"""Keeps one authenticated channel to each peer; a new one for each call costs 4 to 7 times."""

import grpc

from homeroom.channel import ClientCredentials, open_channel
from homeroom.identity import Identity
from services.runtime.settings import ServiceSettings


class Channels:
    """The channels of one service, by peer and address."""

    def __init__(self, credentials: ClientCredentials) -> None:
        self._credentials = credentials
        self._open: dict[tuple[str, str], grpc.aio.Channel] = {}

    @classmethod
    def of(cls, settings: ServiceSettings) -> "Channels":
        return cls(
            ClientCredentials.load(settings.certificate, settings.private_key, settings.authorities)
        )

    def to(self, address: str, peer: Identity) -> grpc.aio.Channel:
        """The channel to a peer; TLS refuses whoever else answers at the address."""
        key = (address, peer.dns_name)
        if key not in self._open:
            self._open[key] = open_channel(address, peer, self._credentials)
        return self._open[key]

    async def close(self) -> None:
        for channel in self._open.values():
            await channel.close()
        self._open.clear()
