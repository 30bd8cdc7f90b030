"""Data-sharing agreements: the document that parties sign, and how a steward writes it."""

from homeroom.agreement.clauses import Clauses
from homeroom.agreement.document import (
    AgreementDocument,
    JoiningOffer,
    Party,
    Signatory,
    Termination,
)
from homeroom.agreement.fields import ALL_SCHOOLS, Code, KeyId, Period, Schools
from homeroom.agreement.schedule import Schedule

__all__ = [
    "ALL_SCHOOLS",
    "AgreementDocument",
    "Clauses",
    "Code",
    "JoiningOffer",
    "KeyId",
    "Party",
    "Period",
    "Schedule",
    "Schools",
    "Signatory",
    "Termination",
]
