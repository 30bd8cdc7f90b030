"""Examines a service's certificate as its peers will: who vouches, for whom, and for how long."""

import datetime as dt
from collections.abc import Iterable, Sequence
from contextlib import suppress

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from homeroom.identity import Identity
from services.node.commands.doctor.finding import Finding, fine, look, wrong

_SOON = dt.timedelta(days=7)
_CERTIFICATE, _AUTHORITIES = "certificate", "authorities"
_ASK = "ask the federation's authority for a new one (docs/keys.md)"


def examine_certificate(
    certificate: bytes, private_key: bytes, authorities: bytes, who: Identity, now: dt.datetime
) -> list[Finding]:
    """What is wrong with a certificate, its key and the authorities beside it.

    Args:
        certificate: PEM, the service's own first, then those between it and an authority.
        private_key: PEM.
        authorities: PEM, of those who may vouch.
        who: whom it must name.
        now: by which it must be good.
    """
    try:
        own, *between = x509.load_pem_x509_certificates(certificate)
    except ValueError:
        return [wrong(_CERTIFICATE, "the file holds no certificate", _ASK)]
    try:
        known = x509.load_pem_x509_certificates(authorities)
    except ValueError:
        remedy = "take the file that the federation's authority gave out"
        return [wrong(_AUTHORITIES, "the file holds no certificate", remedy)]
    return [
        _key(own, private_key),
        _names(own, who),
        _vouched(own, between, known, now),
        *_lasts(own, now),
    ]


def _key(own: x509.Certificate, private_key: bytes) -> Finding:
    what, remedy = "certificate's key", "put the key beside it that the request was made with"
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError):
        return wrong(what, "the file holds no key that opens without a password", remedy)
    if key.public_key() != own.public_key():
        return wrong(what, "the key is another than the certificate's", remedy)
    return fine(what, "fits the certificate")


def _names(own: x509.Certificate, who: Identity) -> Finding:
    what = "certificate's name"
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return wrong(what, "it names nobody", _ASK)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if uris != [who.uri] or who.dns_name not in names.get_values_for_type(x509.DNSName):
        said = f"it does not name {who.uri} and {who.dns_name}"
        return wrong(what, said, f"compare the settings with it, or {_ASK}")
    return fine(what, who.uri)


def _vouched(
    own: x509.Certificate,
    between: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    now: dt.datetime,
) -> Finding:
    """Whether a way leads from the certificate to an authority, over those that come with it."""
    way = [own]
    # No way is longer than what it leads over; a circle ends here too.
    for _ in range(len(between) + 1):
        if _issuer(way[-1], authorities) is not None:
            ended = [one for one in way[1:] if not _is_good(one, now)]
            if ended:
                return wrong(_AUTHORITIES, "one between them and the certificate has ended", _ASK)
            return fine(_AUTHORITIES, "one of them vouches for the certificate")
        step = _issuer(way[-1], [one for one in between if _may_vouch(one)])
        if step is None:
            break
        way.append(step)
    remedy = "the certificate is of another federation, or the authorities are, or the file lacks "
    remedy += "one between them: take both anew"
    return wrong(_AUTHORITIES, "none of them vouches for the certificate", remedy)


def _issuer(
    one: x509.Certificate, candidates: Iterable[x509.Certificate]
) -> x509.Certificate | None:
    for candidate in candidates:
        with suppress(ValueError, TypeError, InvalidSignature):
            one.verify_directly_issued_by(candidate)
            return candidate
    return None


def _may_vouch(one: x509.Certificate) -> bool:
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_good(one: x509.Certificate, now: dt.datetime) -> bool:
    return one.not_valid_before_utc <= now < one.not_valid_after_utc


def _lasts(own: x509.Certificate, now: dt.datetime) -> list[Finding]:
    begins, ends = own.not_valid_before_utc, own.not_valid_after_utc
    what, until = "certificate's time", f"until {ends:%Y-%m-%d %H:%M} UTC"
    if now < begins:
        remedy = "look at this machine's clock first"
        return [wrong(what, f"it begins on {begins:%Y-%m-%d %H:%M} UTC", remedy)]
    if now >= ends:
        return [wrong(what, f"it ended: {until}", _ASK)]
    if ends - now < min(_SOON, (ends - begins) / 3):
        return [look(what, f"it ends soon: {until}", _ASK)]
    return [fine(what, until)]
