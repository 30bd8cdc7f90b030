"""Renders an agreement as a page that people read and print; the same document, the same bytes.

A party that signs names the digest of this page beside that of the document, so that what people
read and what machines read cannot part. Whoever signs renders the document again: a page that the
other side made is never believed.
"""

import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from homeroom.agreement.document import AgreementDocument
from homeroom.agreement.outline import is_draft, outline_of

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


def rendering_digest(document: AgreementDocument) -> str:
    """The SHA-256 digest of the page, in hexadecimal."""
    return hashlib.sha256(rendering_of(document)).hexdigest()


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
