"""Translates between the wire and the gateway's domain; holds no rule."""

from services.gateway.api.carrying import AccountServicer, DestructionServicer
from services.gateway.api.questions import QUERY_METHOD, RESUME_METHOD, GatewayServicer
from services.gateway.api.view import FederationView, Limits, Tolerances

__all__ = [
    "QUERY_METHOD",
    "RESUME_METHOD",
    "AccountServicer",
    "DestructionServicer",
    "FederationView",
    "GatewayServicer",
    "Limits",
    "Tolerances",
]
