"""What the calls of one app share: keys, channels, the verified registry, what it has written."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from homeroom.api.gateway.v1.account_service_pb2_grpc import AccountServiceStub
from homeroom.api.gateway.v1.destruction_service_pb2_grpc import DestructionServiceStub
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from homeroom.api.node.v1.approval_service_pb2_grpc import ApprovalServiceStub
from homeroom.api.node.v1.destruction_service_pb2_grpc import (
    DestructionServiceStub as OwnDestructionServiceStub,
)
from homeroom.api.node.v1.disclosure_service_pb2_grpc import DisclosureServiceStub
from homeroom.api.node.v1.matter_service_pb2_grpc import MatterServiceStub
from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceStub
from homeroom.api.node.v1.outside_service_pb2_grpc import OutsideServiceStub
from homeroom.api.node.v1.review_service_pb2_grpc import ReviewServiceStub
from homeroom.api.registry.v1 import registry_service_pb2
from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceStub
from homeroom.channel import open_channel
from homeroom.clock import utc_now
from homeroom.consent_log_view import ConsentLogView
from homeroom.credentials import (
    checkpoint_key_of,
    credentials_of,
    sealing_key_of,
    signing_key_of,
)
from homeroom.errors import ServiceUnreachableError, TooMuchAskedError
from homeroom.held_keys import HeldKeys, keys_beside
from homeroom.identity import Identity, Role
from homeroom.key_history import KeyHistory
from homeroom.profile import Profile, Service, required
from homeroom.receipts import ReceiptFiles
from homeroom.registry import RegistryView
from homeroom.remote import error_of
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey

if TYPE_CHECKING:
    from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub
    from homeroom.api.gateway.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from homeroom.api.gateway.v1.destruction_service_pb2_grpc import DestructionServiceAsyncStub
    from homeroom.api.gateway.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub
    from homeroom.api.node.v1.approval_service_pb2_grpc import ApprovalServiceAsyncStub
    from homeroom.api.node.v1.destruction_service_pb2_grpc import (
        DestructionServiceAsyncStub as OwnDestructionServiceAsyncStub,
    )
    from homeroom.api.node.v1.disclosure_service_pb2_grpc import DisclosureServiceAsyncStub
    from homeroom.api.node.v1.matter_service_pb2_grpc import MatterServiceAsyncStub
    from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceAsyncStub
    from homeroom.api.node.v1.outside_service_pb2_grpc import OutsideServiceAsyncStub
    from homeroom.api.node.v1.review_service_pb2_grpc import ReviewServiceAsyncStub
    from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub
    from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceAsyncStub

R = TypeVar("R")

CALL_SECONDS = 10.0
_ATTEMPTS = 3
_PATIENT_ATTEMPTS = 12


@dataclass(slots=True)
class SeenSequences:
    """The newest state that this app has itself written: what it asks next must see at least it."""

    registry: int = 0
    consent: int = 0

    def saw_registry(self, sequence: int) -> None:
        self.registry = max(self.registry, sequence)

    def saw_consent(self, sequence: int) -> None:
        self.consent = max(self.consent, sequence)


class Session:
    """One organization acting in one role; channels open at first use and are kept."""

    def __init__(self, profile: Profile, role: Role) -> None:
        self.profile = profile
        self.seen = SeenSequences()
        self._role = role
        self._channels: dict[Role, grpc.aio.Channel] = {}
        self._key_file = (0, 0)
        self.registry_view = RegistryView(
            profile.federation, profile.registry_key, self._fetch_snapshot, utc_now
        )

    @property
    def organization_id(self) -> str:
        return self.profile.organization_id

    @property
    def signing_key(self) -> SigningKey:
        """The organization's key, as it is registered; the file is read anew where it changed."""
        return self._keys().of(self._registered_keys())

    @property
    def asking_key(self) -> SigningKey:
        """The key for what goes to many: just after an exchange still the former one."""
        return self._keys().for_questions(self._registered_keys(), utc_now())

    @cached_property
    def _held_keys(self) -> HeldKeys:
        file = required(self.profile.signing_key, "signing_key")
        return HeldKeys(signing_key_of(self.profile), keys_beside(file))

    def _keys(self) -> HeldKeys:
        held, file = self._held_keys, required(self.profile.signing_key, "signing_key")
        with suppress(OSError):
            found = file.stat()
            if self._key_file != (found.st_ino, found.st_mtime_ns):
                self._key_file = (found.st_ino, found.st_mtime_ns)
                held.look()
        return held

    def _registered_keys(self) -> KeyHistory | None:
        state = self.registry_view.latest
        own = state.organizations.get(self.organization_id) if state else None
        return own.keys if own else None

    @cached_property
    def sealing_key(self) -> SealingKey:
        return sealing_key_of(self.profile)

    @cached_property
    def checkpoint_key(self) -> SigningKey | None:
        """The key of the organization's log; None where its profile names none."""
        return checkpoint_key_of(self.profile) if self.profile.checkpoint_key else None

    @cached_property
    def gateway(self) -> "GatewayServiceAsyncStub":
        return GatewayServiceStub(self._channel(Role.GATEWAY, self.profile.gateway))

    @cached_property
    def accounts(self) -> "AccountServiceAsyncStub":
        """What the gateway carries between this app and the logs of holders."""
        return AccountServiceStub(self._channel(Role.GATEWAY, self.profile.gateway))

    @cached_property
    def destructions(self) -> "DestructionServiceAsyncStub":
        """What the gateway carries to holders when something was destroyed."""
        return DestructionServiceStub(self._channel(Role.GATEWAY, self.profile.gateway))

    @cached_property
    def own_destructions(self) -> "OwnDestructionServiceAsyncStub":
        """What the organization's own node has of it."""
        return OwnDestructionServiceStub(self._channel(Role.NODE, self.profile.node))

    @cached_property
    def consent(self) -> "ConsentServiceAsyncStub":
        return ConsentServiceStub(self._channel(Role.CONSENT, self.profile.consent))

    @cached_property
    def consent_log(self) -> ConsentLogView | None:
        """The consent service's log, if the profile says how to check it."""
        if self.profile.consent is None or self.profile.consent_key is None:
            return None
        return ConsentLogView(
            self.profile.federation,
            self.profile.consent_key,
            lambda request: _once(self.consent.GetConsentLog, request),
        )

    @cached_property
    def receipts(self) -> ReceiptFiles | None:
        """Where receipts are kept, unless the profile wants none."""
        folder = self.profile.receipts
        return ReceiptFiles(folder, utc_now) if folder is not None else None

    @cached_property
    def registry(self) -> "RegistryServiceAsyncStub":
        return RegistryServiceStub(self._channel(Role.REGISTRY, self.profile.registry))

    @cached_property
    def witness(self) -> "WitnessServiceAsyncStub":
        return WitnessServiceStub(self._channel(Role.REGISTRY, self.profile.registry))

    @cached_property
    def node(self) -> "NodeServiceAsyncStub":
        return NodeServiceStub(self._channel(Role.NODE, self.profile.node))

    @cached_property
    def reviews(self) -> "ReviewServiceAsyncStub":
        return ReviewServiceStub(self._channel(Role.NODE, self.profile.node))

    @cached_property
    def matters(self) -> "MatterServiceAsyncStub":
        return MatterServiceStub(self._channel(Role.NODE, self.profile.node))

    @cached_property
    def approvals(self) -> "ApprovalServiceAsyncStub":
        return ApprovalServiceStub(self._channel(Role.NODE, self.profile.node))

    @cached_property
    def disclosures(self) -> "DisclosureServiceAsyncStub":
        return DisclosureServiceStub(self._channel(Role.NODE, self.profile.node))

    @cached_property
    def outside(self) -> "OutsideServiceAsyncStub":
        return OutsideServiceStub(self._channel(Role.NODE, self.profile.node))

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    def _channel(self, role: Role, service: Service | None) -> grpc.aio.Channel:
        if role not in self._channels:
            named = required(service, str(role))
            self._channels[role] = open_channel(
                named.address,
                Identity(self.profile.federation, named.organization_id, role),
                credentials_of(self.profile, self._role),
            )
        return self._channels[role]

    async def _fetch_snapshot(self) -> evidence_pb2.SignedStatement:
        response = await call(self.registry.GetSnapshot, registry_service_pb2.GetSnapshotRequest())
        return response.snapshot


class Closable(ABC):
    """What `async with` closes at its end."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @abstractmethod
    async def close(self) -> None:
        """Ends what is open."""


class Connected(Closable):
    """What keeps one session's channels open until it is closed."""

    _session: Session

    async def close(self) -> None:
        """Ends every connection."""
        await self._session.close()


async def call(method: Callable[..., Awaitable[R]], request: Any) -> R:
    """Makes a call that reads, or that carries a request_id; tries again while nobody answers.

    Raises:
        HomeroomError: what the service meant, or that it cannot be reached.
    """
    return await while_unreachable(lambda: _once(method, request))


async def while_unreachable(ask: Callable[[], Awaitable[R]]) -> R:
    """Asks, and a few times again for as long as nobody answers; never after an answer.

    Raises:
        HomeroomError: what the last try raised.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(ServiceUnreachableError),
        wait=wait_random_exponential(multiplier=0.1, max=1),
        stop=stop_after_attempt(_ATTEMPTS),
        reraise=True,
    ):
        with attempt:
            return await ask()
    raise ServiceUnreachableError("nobody answers there")


async def in_turn(ask: Callable[[], Awaitable[R]]) -> R:
    """Asks, and again later where the gateway lets nobody ask so often.

    Raises:
        HomeroomError: what the last try raised.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(TooMuchAskedError),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_attempt(_PATIENT_ATTEMPTS),
        reraise=True,
    ):
        with attempt:
            return await ask()
    raise TooMuchAskedError("the gateway has no turn")


async def _once(method: Callable[..., Awaitable[R]], request: Any) -> R:
    try:
        return await method(request, timeout=CALL_SECONDS)
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from None
