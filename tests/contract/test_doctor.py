"""The doctor finds each thing that keeps a node from answering, over real files and sockets."""

import asyncio
import datetime as dt
import json
import os
import resource
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.local.addresses import free_addresses
from homeroom.clock import utc_now
from homeroom.development import ORGANIZATION_ROLES, DevelopmentAuthority
from homeroom.federation import DIALS_OUT, FederationState, Organization, Standing
from homeroom.identity import Identity, Role
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from services.node.commands.doctor import examine, machine
from services.node.commands.doctor.certificates import examine_certificate
from services.node.commands.doctor.finding import Finding, State
from services.node.commands.doctor.machine import examine_databases
from services.node.commands.doctor.reaching import Caller, reach
from services.node.commands.doctor.registered import Told, examine_clock, examine_registration
from services.node.migrations import STATE
from services.node.opening import bring_tables_up_to_date
from services.node.settings import NodeSettings
from tests.house.tree import PROJECT
from tests.organizations import Member, organization_of
from tests.policy_bundles import bundle_of
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

FEDERATION = "test.homeroom"
OWN = Identity(FEDERATION, "harbor_ps", Role.NODE)
REGISTRY = Identity(FEDERATION, "hub", Role.REGISTRY)
CONSENT = Identity(FEDERATION, "hub", Role.CONSENT)
POLICY = Path(__file__).resolve().parents[2] / "policy"
NOW = utc_now()


@pytest.fixture
def authority(tmp_path: Path) -> DevelopmentAuthority:
    made = DevelopmentAuthority.create(tmp_path / "federation", FEDERATION, NOW)
    made.make_organization("harbor_ps", ORGANIZATION_ROLES, NOW)
    return made


@pytest.fixture
def given(authority: DevelopmentAuthority) -> dict[str, str]:
    """A node's settings, with everything there; nobody answers at the hub's addresses."""
    own = authority.folder / "harbor_ps"
    urls = {name: f"sqlite:///{own / name}.db" for name in ("records", "state")}
    bring_tables_up_to_date(urls["records"], urls["state"])
    address, registry, consent = free_addresses(3)
    settings = {
        "federation": FEDERATION,
        "organization_id": "harbor_ps",
        "address": address,
        "certificate": own / "node.pem",
        "private_key": own / "node_key.pem",
        "authorities": own / "authorities.pem",
        "signing_key": own / "signing_key.pem",
        "sealing_key": own / "sealing_key.pem",
        "checkpoint_key": own / "checkpoint_key.pem",
        "records_url": urls["records"],
        "state_url": urls["state"],
        "registry_address": registry,
        "registry_organization_id": "hub",
        "registry_key": "00" * 32,
        "consent_address": consent,
        "consent_organization_id": "hub",
        "consent_key": "00" * 32,
        "policy_engine": "embedded",
        "federation_policy": POLICY / "federation",
        "local_policy": POLICY / "local",
    }
    return {f"HOMEROOM_NODE_{name.upper()}": str(value) for name, value in settings.items()}


def found(given: Mapping[str, str]) -> dict[str, Finding]:
    return {one.what: one for one in asyncio.run(examine(given, lambda: NOW))}


def wrong(findings: Mapping[str, Finding]) -> set[str]:
    return {what for what, one in findings.items() if one.state is State.WRONG}


AWAY = {"registry", "consent", "registry's word"}


def test_all_that_is_there_is_found_to_be_fine(given: dict[str, str]) -> None:
    """Only the hub is not there, and that is what is said; what is wrong has a remedy."""
    findings = found(given)
    assert wrong(findings) == AWAY
    assert "nobody listens" in findings["registry"].said
    assert findings["clock"].state is State.LOOK
    assert all(one.remedy for one in findings.values() if one.state is not State.FINE)


def test_settings_that_are_missing_are_named(given: dict[str, str]) -> None:
    """Nothing else can be looked at before they are right."""
    del given["HOMEROOM_NODE_STATE_URL"]
    (finding,) = asyncio.run(examine(given, lambda: NOW))
    assert finding.state is State.WRONG
    assert "HOMEROOM_NODE_STATE_URL" in finding.said


def test_a_key_that_is_away_is_no_key_or_is_open_to_others_is_found(given: dict[str, str]) -> None:
    """A key that others can read is as good as theirs."""
    sealing = Path(given["HOMEROOM_NODE_SEALING_KEY"])
    checkpoint = Path(given["HOMEROOM_NODE_CHECKPOINT_KEY"])
    Path(given["HOMEROOM_NODE_SIGNING_KEY"]).unlink()
    sealing.write_text("no key")
    checkpoint.chmod(0o644)
    expected = AWAY | {"signing key", "sealing key", "who may read the keys"}
    assert wrong(found(given)) == expected
    checkpoint.chmod(0o640)
    findings = found(given)
    assert findings["who may read the keys"].state is State.LOOK
    assert "no key" not in str(findings["sealing key"])


def test_one_key_for_two_purposes_is_found(given: dict[str, str]) -> None:
    """Whoever has the checkpoint key must not be able to sign anything else."""
    given["HOMEROOM_NODE_CHECKPOINT_KEY"] = given["HOMEROOM_NODE_SIGNING_KEY"]
    assert wrong(found(given)) == AWAY | {"checkpoint key"}


def test_a_database_without_a_folder_or_of_nobody_is_found(
    given: dict[str, str], tmp_path: Path
) -> None:
    """A first start makes the file, and never the folder; a file of something else is none."""
    given["HOMEROOM_NODE_RECORDS_URL"] = f"sqlite:///{tmp_path / 'away' / 'records.db'}"
    given["HOMEROOM_NODE_STATE_URL"] = f"sqlite:///{tmp_path / 'fresh.db'}"
    findings = found(given)
    assert wrong(findings) == AWAY | {"records"}
    assert findings["state"].state is State.LOOK
    (tmp_path / "fresh.db").write_bytes(b"something else " * 512)
    assert "state" in wrong(found(given))


def version_noted(given: Mapping[str, str], statement: str, *values: str) -> None:
    """Changes what the state's database says of its version."""
    file = given["HOMEROOM_NODE_STATE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as database:
        database.execute(statement, values)
        database.commit()


@pytest.mark.parametrize(
    ("statement", "state", "said"),
    [
        ("UPDATE alembic_version_state SET version_num = 'of_tomorrow'", State.WRONG, "newer"),
        ("DELETE FROM alembic_version_state", State.WRONG, "does not say"),
        ("DROP TABLE alembic_version_state", State.LOOK, "no tables"),
    ],
)
def test_a_database_of_another_version_is_found(
    given: dict[str, str], statement: str, state: State, said: str
) -> None:
    """A node does not start on one of a newer version, nor on one that notes none."""
    version_noted(given, statement)
    finding = found(given)["state"]
    assert (finding.state, said in finding.said) == (state, True)


def test_a_database_of_an_older_version_is_brought_up_to_date_by_the_node(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing is wrong with it; whoever may change no table is told the verb that does."""
    later = shutil.copytree(STATE, tmp_path / "migrations")
    newest = max(one.name[:4] for one in (STATE / "versions").glob("[0-9]*.py"))
    (later / "versions" / "of_tomorrow.py").write_text(
        f"revision, down_revision = 'tomorrow', '{newest}'\n\n\ndef upgrade() -> None:\n    pass\n"
    )
    monkeypatch.setattr(machine, "STATE", later)
    finding = found(given)["state"]
    assert (finding.state, "older" in finding.said) == (State.LOOK, True)
    assert "migrate" in finding.remedy


def test_a_disk_that_is_full_is_found(given: dict[str, str]) -> None:
    """Everything is there and can be read, and nothing can be written any more."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    ran = subprocess.run(
        [sys.executable, "-m", "services.node", "doctor", "--json"],
        cwd=PROJECT,
        env={**os.environ, **given},
        preexec_fn=full,
        capture_output=True,
        check=False,
    )
    told = {one["what"]: one["state"] for one in json.loads(ran.stdout)}
    assert (ran.returncode, told["records"], told["state"]) == (1, "wrong", "wrong")


@pytest.mark.parametrize(
    ("left", "state"),
    [(100 * 1024**2, State.WRONG), (1024**3, State.LOOK), (3 * 1024**3, State.FINE)],
)
def test_little_room_is_told_before_there_is_none(
    given: dict[str, str], left: int, state: State
) -> None:
    settings = NodeSettings.read("HOMEROOM_NODE_", given)
    findings = {one.what: one for one in examine_databases(settings, lambda _folder: left)}
    assert findings["room for records"].state is state
    assert findings["room for state"].state is state


@pytest.mark.postgres
def test_a_database_that_is_only_read_is_found(given: dict[str, str], postgres_url: str) -> None:
    """A copy that follows another server is one; an empty one, the node fills."""
    given["HOMEROOM_NODE_STATE_URL"] = postgres_url
    assert found(given)["state"].state is State.LOOK
    bring_tables_up_to_date(given["HOMEROOM_NODE_RECORDS_URL"], postgres_url)
    assert found(given)["state"].state is State.FINE
    given["HOMEROOM_NODE_STATE_URL"] = (
        f"{postgres_url}&options=-cdefault_transaction_read_only%3Don"
    )
    finding = found(given)["state"]
    assert (finding.state, "takes no writes" in finding.said) == (State.WRONG, True)


def test_a_port_that_another_program_has_is_found(given: dict[str, str]) -> None:
    """It is the usual reason why a service does not start."""
    host, _, port = given["HOMEROOM_NODE_ADDRESS"].rpartition(":")
    with socket.create_server((host, int(port))):
        assert wrong(found(given)) == AWAY | {"port of the node"}
    assert wrong(found(given)) == AWAY


def test_a_policy_that_is_away_or_no_policy_is_found(given: dict[str, str], tmp_path: Path) -> None:
    """Without both nothing is decided."""
    given["HOMEROOM_NODE_FEDERATION_POLICY"] = str(tmp_path / "away")
    (tmp_path / "bundle.tar.gz").write_bytes(b"no bundle")
    given["HOMEROOM_NODE_LOCAL_POLICY"] = str(tmp_path / "bundle.tar.gz")
    assert wrong(found(given)) == AWAY | {"federation's policy", "own policy"}


@pytest.mark.parametrize(("lasts", "state"), [(-1, State.WRONG), (5, State.LOOK), (60, State.FINE)])
def test_a_policy_that_has_ended_or_soon_will_is_found(
    given: dict[str, str], tmp_path: Path, lasts: int, state: State
) -> None:
    """And one that another key signed is none, however long it would last."""
    key = SigningKey.generate()
    ends = NOW + dt.timedelta(days=lasts)
    bundle = bundle_of(
        POLICY / "federation", key, scope="federation", federation=FEDERATION, expires=ends
    )
    bundle.write(tmp_path / "federation.tar.gz")
    given["HOMEROOM_NODE_FEDERATION_POLICY"] = str(tmp_path / "federation.tar.gz")
    given["HOMEROOM_NODE_REGISTRY_KEY"] = key.public.hex()
    assert found(given)["federation's policy"].state is state
    given["HOMEROOM_NODE_REGISTRY_KEY"] = SigningKey.generate().public.hex()
    assert found(given)["federation's policy"].state is State.WRONG


def state_with(*organizations: Organization) -> FederationState:
    return FederationState(
        federation=FEDERATION,
        sequence=1,
        issue_time=NOW,
        expire_time=NOW,
        organizations={one.organization_id: one for one in organizations},
        agreements={},
    )


def registration(state: FederationState, given: Mapping[str, str]) -> dict[str, State]:
    settings = NodeSettings.read("HOMEROOM_NODE_", given)
    return states(examine_registration(state, settings))


def registered(given: Mapping[str, str], **changed: Any) -> Organization:
    """The organization as it would be registered with its own keys."""
    keys = {
        "signing_key": SigningKey.load(Path(given["HOMEROOM_NODE_SIGNING_KEY"])).public,
        "sealing_key": SealingKey.load(Path(given["HOMEROOM_NODE_SEALING_KEY"])).public,
        "checkpoint_key": SigningKey.load(Path(given["HOMEROOM_NODE_CHECKPOINT_KEY"])).public,
    }
    own = organization_of(Member.new("harbor_ps"), node_address=given["HOMEROOM_NODE_ADDRESS"])
    return replace(own, **(keys | changed))


def test_an_organization_that_is_not_known_or_not_active_is_told_so(given: dict[str, str]) -> None:
    """Nobody asks it and nobody answers it, whatever else is right."""
    other = organization_of(Member.new("mill_river"))
    assert registration(state_with(registered(given), other), given) == {}
    assert registration(state_with(other), given) == {"registration": State.WRONG}
    for standing in set(Standing) - {Standing.ACTIVE}:
        state = state_with(registered(given, standing=standing))
        assert registration(state, given) == {"standing": State.WRONG}


def test_a_registration_of_other_keys_or_places_is_told_so(given: dict[str, str]) -> None:
    """What is registered is what others encrypt to, verify by and call."""
    for key in ("signing", "sealing", "checkpoint"):
        state = state_with(registered(given, **{f"{key}_key": bytes(32)}))
        assert registration(state, given) == {f"registered {key} key": State.WRONG}
    for address, told in (
        ("", State.WRONG),
        (DIALS_OUT, State.WRONG),
        ("elsewhere.test:1", State.LOOK),
    ):
        state = state_with(registered(given, node_address=address))
        assert registration(state, given) == {"registered address": told}


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(-31, State.WRONG), (31, State.WRONG), (-10, State.LOOK), (10, State.LOOK), (1, State.FINE)],
)
def test_a_clock_that_is_off_is_found_before_questions_are_refused_for_it(
    given: dict[str, str], seconds: int, state: State
) -> None:
    """Half a minute is borne, to either side."""
    settings = NodeSettings.read("HOMEROOM_NODE_", given)
    told = Told(state_with(), dt.timedelta(seconds=seconds))
    assert examine_clock(told, settings).state is state


def certificate(
    authority: DevelopmentAuthority, who: Identity = OWN, at: dt.datetime = NOW
) -> Sequence[bytes]:
    return *authority.issue(who, at), authority.authorities()


def states(findings: Sequence[Finding]) -> dict[str, State]:
    return {one.what: one.state for one in findings if one.state is not State.FINE}


def test_each_fault_of_a_certificate_is_named_alone(
    authority: DevelopmentAuthority, tmp_path: Path
) -> None:
    """Another's name, another's key, another authority, too early, too late, soon."""
    other = DevelopmentAuthority.create(tmp_path / "other", FEDERATION, NOW)
    good = certificate(authority)
    day = dt.timedelta(days=1)

    def said(*files: bytes, now: dt.datetime = NOW) -> dict[str, State]:
        return states(examine_certificate(files[0], files[1], files[2], OWN, now))

    assert said(*good) == {}
    assert said(*certificate(authority, REGISTRY)) == {"certificate's name": State.WRONG}
    assert said(good[0], certificate(authority)[1], good[2]) == {"certificate's key": State.WRONG}
    assert said(good[0], good[1], other.authorities()) == {"authorities": State.WRONG}
    assert said(*good, now=NOW - day) == {"certificate's time": State.WRONG}
    assert said(*good, now=NOW + 31 * day) == {"certificate's time": State.WRONG}
    assert said(*good, now=NOW + 28 * day) == {"certificate's time": State.LOOK}
    assert said(b"none", good[1], good[2]) == {"certificate": State.WRONG}
    assert said(good[0], b"none", good[2]) == {"certificate's key": State.WRONG}
    assert said(good[0], good[1], b"none") == {"authorities": State.WRONG}


def signed(
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None, *, ca: bool, days: int = 30
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate of a name of its own, and its key; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, secrets.token_hex(4))])
    by, by_key = (issuer[0].subject, issuer[1]) if issuer else (name, key)
    names = [x509.DNSName(OWN.dns_name), x509.UniformResourceIdentifier(OWN.uri)]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=100))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(by_key, hashes.SHA256())
    )
    return made, key


def pem(*several: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in several)


def test_a_certificate_is_followed_over_those_between_to_an_authority() -> None:
    """In whatever order they come with it; who may not vouch, or has ended, leads nowhere."""
    root = signed(None, ca=True)
    upper = signed(root, ca=True)
    lower = signed(upper, ca=True)
    own, key = signed(lower, ca=False)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

    def said(*chain: x509.Certificate, of: bytes = private) -> dict[str, State]:
        return states(examine_certificate(pem(*chain), of, pem(root[0]), OWN, NOW))

    assert said(own, lower[0], upper[0]) == said(own, upper[0], lower[0]) == {}
    assert said(own, lower[0]) == said(own) == {"authorities": State.WRONG}
    ended = signed(root, ca=True, days=-1)
    member = signed(root, ca=False)
    for through in (ended, member):
        leaf, leaf_key = signed(through, ca=False)
        of = leaf_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        assert said(leaf, through[0], of=of) == {"authorities": State.WRONG}


@pytest.fixture
def caller(authority: DevelopmentAuthority) -> Caller:
    own = authority.folder / "harbor_ps"
    return Caller(own / "node.pem", own / "node_key.pem", own / "authorities.pem")


@asynccontextmanager
async def serving(
    authority: DevelopmentAuthority, who: Identity, trusted: bytes
) -> AsyncIterator[str]:
    """A server that is who it is said to be, and asks its callers for a certificate."""
    server = grpc.aio.server()
    pem, key = authority.issue(who, NOW)
    credentials = grpc.ssl_server_credentials([(key, pem)], trusted, require_client_auth=True)
    (address,) = free_addresses(1)
    server.add_secure_port(address, credentials)
    await server.start()
    yield address
    await server.stop(None)


async def test_a_peer_that_is_there_is_reached(
    authority: DevelopmentAuthority, caller: Caller
) -> None:
    """By the very certificate that the node calls with."""
    async with serving(authority, REGISTRY, authority.authorities()) as address:
        for place in (address, f"dns:///{address}", f"ipv4:{address}"):
            finding = await asyncio.to_thread(reach, "registry", place, REGISTRY, caller)
            assert finding.state is State.FINE, finding


async def test_a_peer_with_anothers_certificate_is_named_so(
    authority: DevelopmentAuthority, caller: Caller
) -> None:
    """Somebody answers there, and it is not whom the node is to reach."""
    async with serving(authority, CONSENT, authority.authorities()) as address:
        finding = await asyncio.to_thread(reach, "registry", address, REGISTRY, caller)
    assert finding.state is State.WRONG
    assert "certificate does not hold" in finding.said


async def test_a_peer_of_another_authority_is_named_so(
    authority: DevelopmentAuthority, caller: Caller, tmp_path: Path
) -> None:
    """Its own certificate does not hold; and where only ours does not, it breaks off."""
    other = DevelopmentAuthority.create(tmp_path / "other", FEDERATION, NOW)
    async with serving(other, REGISTRY, other.authorities()) as address:
        finding = await asyncio.to_thread(reach, "registry", address, REGISTRY, caller)
    assert "certificate does not hold" in finding.said
    async with serving(authority, REGISTRY, other.authorities()) as address:
        finding = await asyncio.to_thread(reach, "registry", address, REGISTRY, caller)
    assert finding.state is State.WRONG
    assert "this node's certificate" in finding.said


async def test_each_place_of_an_address_is_tried(
    authority: DevelopmentAuthority, caller: Caller
) -> None:
    """A replica that is away, or is somebody else, has calls that fail while others go well."""
    (away,) = free_addresses(1)

    async def told(*places: str) -> Finding:
        address = f"ipv4:{','.join(places)}"
        return await asyncio.to_thread(reach, "registry", address, REGISTRY, caller)

    async with (
        serving(authority, REGISTRY, authority.authorities()) as first,
        serving(authority, REGISTRY, authority.authorities()) as second,
        serving(authority, CONSENT, authority.authorities()) as other,
    ):
        assert (await told(first, second)).state is State.FINE
        for place, because in ((away, "nobody listens"), (other, "certificate does not hold")):
            finding = await told(first, place)
            assert finding.state is State.LOOK
            assert f"1 of 2 answer: {place}: " in finding.said
            assert because in finding.said
        finding = await told(other, away)
        assert finding.state is State.WRONG
        assert other in finding.said
        assert away in finding.said


async def test_a_gateway_that_the_node_dials_is_reached_as_the_others_are(
    authority: DevelopmentAuthority, given: dict[str, str]
) -> None:
    """A node that waits for the gateway to call dials none, and is told of none."""
    assert "gateway" not in {one.what for one in await examine(given, lambda: NOW)}
    gateway = Identity(FEDERATION, "hub", Role.GATEWAY)
    async with serving(authority, gateway, authority.authorities()) as address:
        given["HOMEROOM_NODE_GATEWAY_ADDRESS"] = address
        given["HOMEROOM_NODE_GATEWAY_OPERATOR"] = "hub"
        (finding,) = (one for one in await examine(given, lambda: NOW) if one.what == "gateway")
        assert finding.state is State.FINE, finding
    (finding,) = (one for one in await examine(given, lambda: NOW) if one.what == "gateway")
    assert finding.state is State.WRONG


@contextmanager
def silent() -> Iterator[str]:
    """Takes connections, and says nothing until the caller has gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        taking = threading.Thread(target=lambda: held.append(server.accept()[0]))
        taking.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        taking.join()
        held[0].close()


def test_a_name_that_leads_nowhere_and_a_peer_that_is_silent_are_told_apart(
    caller: Caller,
) -> None:
    """The one is a wrong setting, the other a firewall or a machine that hangs."""
    lost = reach("registry", "nowhere.invalid:50051", REGISTRY, caller)
    assert "the name leads nowhere" in lost.said
    assert reach("registry", "no port", REGISTRY, caller).state is State.WRONG
    with silent() as address:
        assert "no answer" in reach("registry", address, REGISTRY, caller).said


def test_nothing_is_changed_by_looking(
    given: dict[str, str], authority: DevelopmentAuthority
) -> None:
    """A doctor is asked again and again, and while the node runs."""
    own = authority.folder / "harbor_ps"
    shutil.copytree(own, before := authority.folder / "before")
    found(given)
    names = {path.name for path in own.iterdir() if path.suffix == ".pem"}
    assert all((own / name).read_bytes() == (before / name).read_bytes() for name in names)
    assert {path.name for path in own.iterdir() if ".db" not in path.name} == {
        path.name for path in before.iterdir() if ".db" not in path.name
    }
