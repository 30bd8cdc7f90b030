"""Sends traces to a collector: which method, whose, how it ended and when; never what was said.

Off unless a setting names the collector. A trace goes on from one service of the federation to the
next. What an app sends begins none: it could write a name into sixteen bytes. No baggage and no
words of other vendors are read or passed on, and of an error only its code and reason are told.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from homeroom.errors import RequestInvalidError
from services.runtime.tracing.serving import CallSpan, Metadata, calling, tell_rows

if TYPE_CHECKING:
    from services.runtime.tracing.otlp import Tracing

__all__ = ["CallSpan", "Metadata", "calling", "open_tracing", "tell_rows"]


def open_tracing(
    endpoint: str, share: float, own: Mapping[str, str], methods: Iterable[str]
) -> "Tracing":
    """Sends to a collector that speaks OTLP over gRPC.

    Args:
        endpoint: http://host:port, or https:// with a certificate that this machine trusts.
        share: of the traces that begin here, how many are kept; 1 is all.
        own: who sends: the name of the service, and the organization.
        methods: those that a span may name.

    Raises:
        RequestInvalidError: if the endpoint is none, or the extra is not installed.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise RequestInvalidError("traces go to http://host:port", field="traces_endpoint")
    try:
        from services.runtime.tracing.otlp import Tracing  # noqa: PLC0415 - an extra brings it
    except ImportError:
        told = "traces need the extra `tracing`"
        raise RequestInvalidError(told, field="traces_endpoint") from None
    return Tracing.to(endpoint, share, own, methods)
