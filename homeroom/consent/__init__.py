"""Consents as they travel: sealed to each organization that they concern, and signed in batches."""

from homeroom.consent.bodies import MAX_BATCH, ConsentReader, make_consents, new_subject_ref
from homeroom.consent.notices import (
    open_details,
    open_narrowing,
    open_report,
    open_rotation,
    seal_details,
    seal_narrowing,
    seal_report,
    seal_rotation,
)

__all__ = [
    "MAX_BATCH",
    "ConsentReader",
    "make_consents",
    "new_subject_ref",
    "open_details",
    "open_narrowing",
    "open_report",
    "open_rotation",
    "seal_details",
    "seal_narrowing",
    "seal_report",
    "seal_rotation",
]
