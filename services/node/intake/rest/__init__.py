"""Reads from services over HTTP: with a token, page by page, politely."""

from services.node.intake.rest.access import Access, checked_url
from services.node.intake.rest.fetching import Fetcher, Limits, Response
from services.node.intake.rest.paging import offset_pages
from services.node.intake.rest.session import Session

__all__ = [
    "Access",
    "Fetcher",
    "Limits",
    "Response",
    "Session",
    "checked_url",
    "offset_pages",
]
