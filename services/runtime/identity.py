"""Tells which organization is calling, from the certificate it presented."""

from contextvars import ContextVar
from typing import Any, TypeAlias

import grpc

from homeroom.errors import CallerUnknownError
from homeroom.identity import Identity

ServicerContext: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_NAMES = "x509_subject_alternative_name"

_caller: ContextVar[Identity] = ContextVar("caller")
"""Who made the call that the current task serves; set once the caller is admitted."""


def remember_caller(caller: Identity) -> None:
    """Notes who made the call that this task serves."""
    _caller.set(caller)


def current_caller() -> Identity:
    """Who made the call that this task serves; for servicers, after admission."""
    return _caller.get()


def caller_of(context: ServicerContext, federation: str) -> Identity:
    """The caller, whose certificate TLS has checked already.

    Raises:
        CallerUnknownError: if the certificate names none, several, or another federation's.
    """
    names = [name.decode(errors="replace") for name in context.auth_context().get(_NAMES, ())]
    uris = [name for name in names if "://" in name]
    if len(uris) != 1:
        raise CallerUnknownError("the certificate names not exactly one organization")
    caller = Identity.parse(uris[0])
    if caller.federation != federation:
        raise CallerUnknownError("the certificate is of another federation")
    return caller
