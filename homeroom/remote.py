"""Turns a failed call back into the error that the service raised."""

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from homeroom.errors import (
    ERROR_OF_REASON,
    DeadlinePassedError,
    HomeroomError,
    InternalError,
    NotPermittedError,
    Reason,
    ServiceUnreachableError,
)

_ERROR_DOMAIN = "homeroom"

_WITHOUT_INFO = {
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlinePassedError("the deadline passed"),
    grpc.StatusCode.PERMISSION_DENIED: NotPermittedError("not permitted"),
    grpc.StatusCode.UNAVAILABLE: ServiceUnreachableError("nobody answers there"),
    grpc.StatusCode.CANCELLED: ServiceUnreachableError("the connection ended"),
}


def error_of(failure: grpc.aio.AioRpcError) -> HomeroomError:
    """The error a service meant; a status that names no reason of ours says only its code."""
    status = rpc_status.from_call(failure)
    for detail in status.details if status else ():
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == _ERROR_DOMAIN and info.reason in list(Reason):
            error = ERROR_OF_REASON[Reason(info.reason)]
            return error(status.message, **info.metadata)
    known = _WITHOUT_INFO.get(failure.code())
    if known is not None:
        return type(known)(known.message)
    return InternalError("the service failed", status=failure.code().name)
