"""Prints an agreement as a PDF; each page carries both digests that the parties sign.

The PDF is for reading and filing. It shows the same outline as the HTML page, and the digests on
its pages are those of the document and of that page.
"""

from homeroom.agreement.document import AgreementDocument
from homeroom.agreement.outline import is_draft, outline_of
from homeroom.agreement.rendering import rendering_digest
from homeroom.printing import print_parts


def print_agreement(document: AgreementDocument) -> bytes:
    """The agreement as a PDF; the same document, the same bytes."""
    foot = (
        f"{document.agreement_id}, version {document.version}"
        + (" (draft)" if is_draft(document) else ""),
        f"SHA-256 of the document: {document.digest}",
        f"SHA-256 of the page: {rendering_digest(document)}",
    )
    return print_parts(document.title, outline_of(document), foot)
