"""Turns errors into google.rpc.Status; the only module that aborts a call.

A `HomeroomError` travels with its reason and metadata. Anything else becomes `INTERNAL` with a
reference: its type and place are logged, its text is not, for the text may hold a person's data.
"""

import asyncio
import datetime as dt
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from homeroom.errors import HomeroomError, InternalError, Reason
from services.runtime.identity import ServicerContext
from services.runtime.logs import log, place_of

ERROR_DOMAIN = "homeroom"

STATUS_OF_REASON: dict[Reason, grpc.StatusCode] = {
    Reason.CALLER_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    Reason.NOT_PERMITTED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.REQUEST_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.ALREADY_RECORDED: grpc.StatusCode.ALREADY_EXISTS,
    Reason.CHANGED_MEANWHILE: grpc.StatusCode.ABORTED,
    Reason.POLICY_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.TOO_MUCH_ASKED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.STATE_STALE: grpc.StatusCode.UNAVAILABLE,
    Reason.STATE_BEHIND: grpc.StatusCode.UNAVAILABLE,
    Reason.LOG_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.CLOCK_SKEWED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.QUERY_REPLAYED: grpc.StatusCode.ALREADY_EXISTS,
    Reason.SERVICE_UNREACHABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.DEADLINE_PASSED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.EVIDENCE_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
}


@asynccontextmanager
async def translated_errors(context: ServicerContext, method: str) -> AsyncIterator[None]:
    """Aborts the call with a status for whatever the block raises."""
    try:
        yield
    except (grpc.aio.AbortError, asyncio.CancelledError):
        raise
    except HomeroomError as error:
        log.info("call refused", method=method, reason=str(error.reason))
        await _abort(context, error)
    except Exception as error:  # whatever it is, its text must not travel
        reference = secrets.token_hex(8)
        log.error(
            "call failed",
            method=method,
            reference=reference,
            error_type=type(error).__name__,
            error_place=place_of(error.__traceback__),
        )
        await _abort(context, InternalError("internal error", reference=reference))


async def _abort(context: ServicerContext, error: HomeroomError) -> NoReturn:
    code = STATUS_OF_REASON[error.reason]
    status = rpc_status.to_status(
        Status(code=code.value[0], message=error.message, details=_details(error))
    )
    await context.abort(code, error.message, status.trailing_metadata)


def _details(error: HomeroomError) -> list[AnyMessage]:
    """The reason with its metadata, and in gRPC's own words when to ask again."""
    told: list[Message] = [
        ErrorInfo(reason=str(error.reason), domain=ERROR_DOMAIN, metadata=error.metadata)
    ]
    if "retry_after" in error.metadata:
        retry = RetryInfo()
        retry.retry_delay.FromTimedelta(dt.timedelta(seconds=float(error.metadata["retry_after"])))
        told.append(retry)
    details = []
    for one in told:
        detail = AnyMessage()
        detail.Pack(one)
        details.append(detail)
    return details
