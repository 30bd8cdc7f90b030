"""Renders an agreement as a page that people read and print; the same document, the same bytes.

A party that signs names the digest of this page beside that of the document, so that what people
read and what machines read cannot part. Whoever signs renders the document again: a page that the
other side made is never believed.
"""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from homeroom.agreement.document import AgreementDocument
from homeroom.agreement.outline import is_draft, outline_of
from homeroom.errors import EvidenceInvalidError
from homeroom.signing import digest_of

RENDERING_VERSION = 1
"""Counts up with every change of the words or the form, for the digests change with them."""


def rendering_of(document: AgreementDocument) -> bytes:
    """The agreement as one HTML page, without scripts and without anything from elsewhere."""
    page = _template().render(
        title=document.title,
        document=document,
        digest=document.digest,
        draft=is_draft(document),
        parts=outline_of(document),
        rendering_version=RENDERING_VERSION,
    )
    return page.encode()


def rendering_digest_of(document: AgreementDocument) -> bytes:
    """The SHA-256 digest of the page, which parties sign beside the document's own."""
    return digest_of(rendering_of(document))


def rendering_digest(document: AgreementDocument) -> str:
    """The same digest in hexadecimal, as people compare it."""
    return rendering_digest_of(document).hex()


def require_rendering(content: bytes, digest: bytes) -> None:
    """Checks that a document is read here as its proposer says.

    Raises:
        EvidenceInvalidError: if the page has another digest, or the document is written otherwise
            than it is shown.
    """
    document = AgreementDocument.parse(content)
    if document.encode() != content:
        raise EvidenceInvalidError("the document is not written in the one way that is signed")
    if rendering_digest_of(document) != digest:
        raise EvidenceInvalidError("the document prints here as something else than was proposed")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("homeroom.agreement"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("agreement.html.jinja")
