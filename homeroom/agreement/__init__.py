"""Data-sharing agreements: the document that parties sign, and how a steward writes it."""

from homeroom.agreement.document import ALL_SCHOOLS, AgreementDocument, Code, KeyId, Party

__all__ = ["ALL_SCHOOLS", "AgreementDocument", "Code", "KeyId", "Party"]
