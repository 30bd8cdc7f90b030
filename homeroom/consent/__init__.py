"""Consents as they travel: sealed to each organization that they concern, and signed in batches."""

from homeroom.consent.bodies import MAX_BATCH, ConsentReader, make_consents, new_subject_ref

__all__ = ["MAX_BATCH", "ConsentReader", "make_consents", "new_subject_ref"]
