"""A running registry, its operator, and the organizations that it registers."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import grpc

from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.identity import Role
from homeroom.remote import error_of
from tests.organizations import Member, new_request_id
from tests.serving import RUNNER, Premises


@dataclass
class RunningRegistry:
    """A running registry and those who call it."""

    at: Premises
    port: int

    def of(self, member: Member | str, role: Role = Role.STEWARD) -> Any:
        name = member if isinstance(member, str) else member.organization_id
        return self.at.registry(self.port, name, role)

    async def register(self, *members: Member, **changed: Any) -> Any:
        """Has each register itself; what is changed is of its record."""
        for member in members:
            request = pb.RegisterOrganizationRequest(
                record=member.record(**changed), request_id=new_request_id()
            )
            registered = await called(self.of(member).RegisterOrganization(request))
        return registered

    async def set_standing(self, member: Member, standing: Any, debarred_until: str = "") -> Any:
        request = pb.SetStandingRequest(
            organization_id=member.organization_id,
            standing=standing,
            debarred_until=debarred_until,
            request_id=new_request_id(),
        )
        return await called(self.of(RUNNER, Role.OPERATOR).SetStanding(request))

    async def admit(self, *members: Member, **changed: Any) -> None:
        """Registers each, and the operator lets it take part."""
        for member in members:
            await self.register(member, **changed)
            await self.set_standing(member, pb.STANDING_ACTIVE)


async def called(call: Awaitable[Any]) -> Any:
    """A call's answer, or the error that the service meant."""
    try:
        return await call
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from failure
