"""The protos explain themselves, name nobody in a log, and every RPC has an access rule."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor import FileDescriptor as File

from homeroom.api.common.v1 import error_reason_pb2
from homeroom.errors import Reason
from homeroom.plain_fields import PLAIN_FIELDS
from services.consent.server import ACCESS as CONSENT_ACCESS
from services.gateway.server import ACCESS as GATEWAY_ACCESS
from services.gateway.server import ACCOUNT_ACCESS as GATEWAY_ACCOUNT_ACCESS
from services.gateway.server import DESTRUCTION_ACCESS as GATEWAY_DESTRUCTION_ACCESS
from services.gateway.server import TUNNEL_ACCESS as GATEWAY_TUNNEL_ACCESS
from services.node.api.access import ACCESS as NODE_ACCESS
from services.registry.server import ACCESS as REGISTRY_ACCESS
from services.registry.server import WITNESS_ACCESS
from services.runtime.access import AccessTable
from tests.house.tree import PROJECT, name_of, tracked

_PROTOS = tracked("*.proto")
_TABLES: Mapping[str, AccessTable] = {
    "homeroom.api.consent.v1.ConsentService": CONSENT_ACCESS,
    "homeroom.api.gateway.v1.AccountService": GATEWAY_ACCOUNT_ACCESS,
    "homeroom.api.gateway.v1.DestructionService": GATEWAY_DESTRUCTION_ACCESS,
    "homeroom.api.gateway.v1.GatewayService": GATEWAY_ACCESS,
    "homeroom.api.gateway.v1.TunnelService": GATEWAY_TUNNEL_ACCESS,
    **{
        service: {name: roles for name, roles in NODE_ACCESS.items() if f"/{service}/" in name}
        for service in sorted({name.split("/")[1] for name in NODE_ACCESS})
    },
    "homeroom.api.registry.v1.RegistryService": REGISTRY_ACCESS,
    "homeroom.api.registry.v1.WitnessService": WITNESS_ACCESS,
}
_READS = re.compile(r"(Get|List|Watch|Query|Answer|Resume|OpenTunnel)")
_NAMES_A_STUDENT = re.compile(
    r"subject_refs?|link_codes?|user_token|students?|student_(id|key|number|name)s?|"
    r"(given|middle|family|full|legal)_names?|birth_?dates?|date_of_birth|ssn|emails?|phones?"
)
_DECLARED = re.compile(r"\s*(message|enum|service|rpc) (\w+)|\s*(?:repeated )?[\w.]+ (\w+) = \d+")


def _file_of(proto: Path) -> File:
    module = proto.relative_to(PROJECT / "protos").with_suffix("")
    descriptor = import_module(f"{'.'.join(module.parts)}_pb2").DESCRIPTOR
    assert isinstance(descriptor, File)
    return descriptor


def _messages() -> Iterator[Descriptor]:
    waiting = [m for proto in _PROTOS for m in _file_of(proto).message_types_by_name.values()]
    while waiting:
        message = waiting.pop()
        waiting += message.nested_types
        yield message


def _methods() -> Iterator[MethodDescriptor]:
    for proto in _PROTOS:
        for service in _file_of(proto).services_by_name.values():
            yield from service.methods


def _names_a_student(field: FieldDescriptor) -> bool:
    return _NAMES_A_STUDENT.fullmatch(field.name) is not None


def test_what_names_a_person_is_never_printed() -> None:
    """A field that names a student or is a token is left out wherever a message is printed."""
    naming = {field.full_name: field for m in _messages() for field in m.fields}
    found = {name: f for name, f in naming.items() if _names_a_student(f)}

    assert found.keys() >= {
        "homeroom.api.common.v1.Cohort.subject_refs",
        "homeroom.api.consent.v1.ConsentBody.link_code",
        "homeroom.api.consent.v1.Recipient.subject_ref",
        "homeroom.api.node.v1.AnswerRequest.user_token",
        "homeroom.api.gateway.v1.QueryRequest.user_token",
    }
    assert [name for name, f in found.items() if not f.GetOptions().debug_redact] == []


def test_every_text_and_all_bytes_are_decided_about() -> None:
    """A new field is marked `debug_redact`, or listed in `homeroom/plain_fields.py`: never both.

    What is neither is never written down, but nobody knows whether that is right.
    """
    texts = {
        f.full_name.removeprefix("homeroom.api."): bool(f.GetOptions().debug_redact)
        for m in _messages()
        for f in m.fields
        if f.type in (f.TYPE_STRING, f.TYPE_BYTES)
    }
    plain = {f"{message}.{name}" for message, names in PLAIN_FIELDS.items() for name in names}

    assert plain == {name for name, marked in texts.items() if not marked}


def test_messages_are_written_down_by_one_module_alone() -> None:
    """Whatever prints a message goes through `homeroom.redaction`."""
    ways = re.compile(r"json_format|text_format|MessageTo(Json|Dict|String)")
    written = [f for f in tracked("homeroom/*.py", "services/*.py") if "/api/" not in str(f)]

    assert len(written) > 100
    assert [name_of(f) for f in written if ways.search(f.read_text("utf-8"))] == []


def test_every_rpc_has_an_access_rule_and_no_rule_is_idle() -> None:
    """A method that no table lists would be denied to everyone; a rule without one is a typo."""
    methods = {f"/{m.containing_service.full_name}/{m.name}" for m in _methods()}

    assert {m.containing_service.full_name for m in _methods()} == _TABLES.keys()
    assert methods == {name for table in _TABLES.values() for name in table}
    assert all(roles for table in _TABLES.values() for roles in table.values())


@pytest.mark.parametrize("service", _TABLES)
def test_a_service_lists_only_its_own_rpcs(service: str) -> None:
    """One service's table says nothing of another's methods."""
    assert all(name.startswith(f"/{service}/") for name in _TABLES[service])


def test_whatever_writes_can_be_tried_again() -> None:
    """An RPC that changes something carries a request_id, by which a retry is recognized."""
    writing = {m.name: m for m in _methods() if not _READS.match(m.name)}

    assert len(writing) >= 7
    assert [n for n, m in writing.items() if "request_id" not in m.input_type.fields_by_name] == []


def test_what_only_reads_carries_no_request_id() -> None:
    """A request_id says that something is written: on a reading RPC it would mislead."""
    reading = [m for m in _methods() if _READS.match(m.name)]

    assert [m.name for m in reading if "request_id" in m.input_type.fields_by_name] == []


@pytest.mark.parametrize("proto", _PROTOS, ids=name_of)
def test_every_declaration_is_explained(proto: Path) -> None:
    """A comment stands above each message, enum, service, RPC, field and value.

    That of a message, an enum, a service or an RPC begins with its name, like a definition.
    """
    lines = proto.read_text("utf-8").splitlines()
    unexplained = []
    for place, line in enumerate(lines):
        declared = _DECLARED.match(line)
        if declared is None:
            continue
        comment = _comment_above(lines, place)
        word = declared.group(2)
        if not comment or (word and not comment.startswith(f"{word} ")):
            unexplained.append(f"{name_of(proto)}:{place + 1}")
        elif not comment.endswith((".", "}")):
            unexplained.append(f"{name_of(proto)}:{place + 1} is no sentence")

    assert unexplained == []


@pytest.mark.parametrize("proto", _PROTOS, ids=name_of)
def test_a_package_is_its_path(proto: Path) -> None:
    """Package, folder and Python import are one name, so that no tool rewrites paths."""
    package = ".".join(proto.relative_to(PROJECT / "protos").parent.parts)

    assert f"\npackage {package};\n" in proto.read_text("utf-8")


def test_errors_have_one_vocabulary() -> None:
    """The reasons of Python are the reasons of the wire."""
    values = set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}

    assert {value.removeprefix("ERROR_REASON_") for value in values} == set(Reason)


def test_each_reason_shows_an_example_of_itself() -> None:
    """The proto's comments show what travels, with the reason's own name."""
    proto = PROJECT / "protos/homeroom/api/common/v1/error_reason.proto"
    shown = re.findall(
        r'// Example: \{"reason": "(\w+)", "domain": "homeroom", "metadata": \{.*\}\}\n'
        r"  ERROR_REASON_(\w+) = ",
        proto.read_text("utf-8"),
    )

    assert all(example == value for example, value in shown)
    assert {value for _, value in shown} == set(Reason)


def _comment_above(lines: list[str], place: int) -> str:
    comment: list[str] = []
    while place and lines[place - 1].strip().startswith("//"):
        place -= 1
        comment.insert(0, lines[place].strip().removeprefix("//").strip())
    return " ".join(comment)
