"""Runs the registry and the consent service for a test, on free ports of this machine, over TLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceStub
from homeroom.channel import open_channel
from homeroom.identity import Identity, Role
from homeroom.signing import SigningKey
from services.consent.server import build_server as build_consent
from services.consent.settings import ConsentSettings
from services.registry.server import build_server as build_registry
from services.registry.settings import RegistrySettings
from services.runtime.server import Server
from tests.certificates import Authority

if TYPE_CHECKING:
    from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub
    from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceAsyncStub

FEDERATION = "test.example"
RUNNER = "federation_office"


@dataclass
class Premises:
    """Where a test's services run: their authority, keys, files and open channels."""

    folder: Path
    authority: Authority = field(default_factory=Authority.new)
    registry_key: SigningKey = field(default_factory=SigningKey.generate)
    consent_key: SigningKey = field(default_factory=SigningKey.generate)
    gateway_log_key: SigningKey = field(default_factory=SigningKey.generate)
    _channels: dict[tuple[int, Identity], grpc.aio.Channel] = field(default_factory=dict)

    def identity(self, role: Role, organization_id: str = RUNNER) -> Identity:
        return Identity(FEDERATION, organization_id, role)

    def registry_settings(self, **changed: object) -> RegistrySettings:
        gateway = {"gateway_checkpoint_key": self.gateway_log_key.public.hex()}
        return RegistrySettings.model_validate(
            self._service(Role.REGISTRY, self.registry_key) | gateway | changed
        )

    def consent_settings(self, registry_port: int, **changed: object) -> ConsentSettings:
        followed = {
            "registry_address": f"127.0.0.1:{registry_port}",
            "registry_organization_id": RUNNER,
            "registry_key": self.registry_key.public.hex(),
        }
        return ConsentSettings.model_validate(
            self._service(Role.CONSENT, self.consent_key) | followed | changed
        )

    def witness(
        self, port: int, organization_id: str, role: Role = Role.NODE
    ) -> "WitnessServiceAsyncStub":
        """The registry as a witness, as a bearer of that role calls it."""
        return WitnessServiceStub(self._channel(port, Role.REGISTRY, organization_id, role))

    def registry(
        self, port: int, organization_id: str, role: Role = Role.STEWARD
    ) -> "RegistryServiceAsyncStub":
        """The registry, as a bearer of that role calls it."""
        return RegistryServiceStub(self._channel(port, Role.REGISTRY, organization_id, role))

    def consent(
        self, port: int, organization_id: str, role: Role = Role.APP
    ) -> "ConsentServiceAsyncStub":
        """The consent service, as a bearer of that role calls it."""
        return ConsentServiceStub(self._channel(port, Role.CONSENT, organization_id, role))

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()

    def _service(self, role: Role, key: SigningKey) -> dict[str, object]:
        signing_key = self.folder / f"{role}-signing.pem"
        signing_key.write_bytes(key.to_pem())
        return {
            "federation": FEDERATION,
            "organization_id": RUNNER,
            "address": "127.0.0.1:0",
            "signing_key": signing_key,
            "database_url": f"sqlite:///{self.folder}/{role}.db",
            "heartbeat_seconds": 0.2,
            **self.authority.write(self.identity(role), self.folder),
        }

    def _channel(
        self, port: int, service: Role, organization_id: str, role: Role
    ) -> grpc.aio.Channel:
        caller = self.identity(role, organization_id)
        if (port, caller) not in self._channels:
            self._channels[port, caller] = open_channel(
                f"127.0.0.1:{port}", self.identity(service), self.authority.credentials(caller)
            )
        return self._channels[port, caller]


@asynccontextmanager
async def premises(folder: Path) -> AsyncIterator[Premises]:
    """Premises whose channels are closed at the end."""
    made = Premises(folder)
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def running_registry(settings: RegistrySettings) -> AsyncIterator[int]:
    """A registry that runs; its port."""
    async with _running(await build_registry(settings)) as port:
        yield port


@asynccontextmanager
async def running_consent(settings: ConsentSettings) -> AsyncIterator[int]:
    """A consent service that runs; its port."""
    async with _running(await build_consent(settings)) as port:
        yield port


@asynccontextmanager
async def _running(server: Server) -> AsyncIterator[int]:
    port = await server.start()
    try:
        yield port
    finally:
        await server.stop()
