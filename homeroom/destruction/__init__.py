"""What a recipient must destroy and by when, and how it certifies it (34 CFR 99.31, 99.35).

Recipient and holder count the days by one function, each from what it knows itself: so that both
come to the same day, and neither has to believe the other.
"""

from homeroom.destruction.due import (
    DestructionTerms,
    Due,
    DueRule,
    Received,
    due_of_answer,
    due_of_consent,
    terms_of_answer,
)

__all__ = [
    "DestructionTerms",
    "Due",
    "DueRule",
    "Received",
    "due_of_answer",
    "due_of_consent",
    "terms_of_answer",
]
