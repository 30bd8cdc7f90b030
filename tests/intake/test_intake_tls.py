"""Imports from a service go over TLS that is verified: by the machine's authorities, or by ours."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from homeroom.errors import EvidenceInvalidError
from services.node.intake.rest import Limits
from tests.certificates import Authority
from tests.intake.ods_server import OdsServer
from tests.intake.pulled_records import PulledRecords


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OdsServer]:
    """A source whose certificate an authority has signed, for the address that it has."""
    authority = Authority.new()
    (tmp_path / "source.pem").write_bytes(authority.for_address("127.0.0.1"))
    written = authority.certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "authority.pem").write_bytes(written)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "source.pem")
    started = OdsServer(tls=context)
    yield started
    started.close()


def test_a_source_is_read_if_an_authority_that_is_set_vouches_for_it(
    server: OdsServer, tmp_path: Path
) -> None:
    server.put("schools", {"schoolId": 1, "nameOfInstitution": "Grand Bend High"})
    records = PulledRecords(tmp_path, "edfi_api", server.url)
    with pytest.raises(EvidenceInvalidError, match="not trusted"):
        records.pull()
    assert server.asked == []
    records.pull(limits=Limits(authorities=tmp_path / "authority.pem"))

    assert records.count("SELECT name FROM school") == "Grand Bend High"


def test_a_certificate_of_another_name_is_not_taken(server: OdsServer, tmp_path: Path) -> None:
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    records = PulledRecords(tmp_path, "edfi_api", elsewhere)
    with pytest.raises(EvidenceInvalidError, match="not trusted"):
        records.pull(limits=Limits(authorities=tmp_path / "authority.pem", attempts=1))

    assert server.asked == []
