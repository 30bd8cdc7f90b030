"""The doctor finds each thing that keeps a node from answering, over real files and sockets."""

import asyncio
import datetime as dt
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import pytest

from deploy.local.addresses import free_addresses
from homeroom.clock import utc_now
from homeroom.development import ORGANIZATION_ROLES, DevelopmentAuthority
from homeroom.identity import Identity, Role
from services.node.commands.doctor import examine
from services.node.commands.doctor.certificates import examine_certificate
from services.node.commands.doctor.finding import Finding, State
from services.node.commands.doctor.reaching import Caller, reach
from services.node.opening import bring_tables_up_to_date

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
    return {one.what: one for one in asyncio.run(examine(given, NOW))}


def wrong(findings: Mapping[str, Finding]) -> set[str]:
    return {what for what, one in findings.items() if one.state is State.WRONG}


AWAY = {"registry", "consent", "registry's word"}


def test_all_that_is_there_is_found_to_be_fine(given: dict[str, str]) -> None:
    """Only the hub is not there, and that is what is said; what is wrong has a remedy."""
    findings = found(given)
    assert wrong(findings) == AWAY
    assert "nobody listens" in findings["registry"].said
    assert all(one.remedy for one in findings.values() if one.state is not State.FINE)


def test_settings_that_are_missing_are_named(given: dict[str, str]) -> None:
    """Nothing else can be looked at before they are right."""
    del given["HOMEROOM_NODE_STATE_URL"]
    (finding,) = asyncio.run(examine(given, NOW))
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
