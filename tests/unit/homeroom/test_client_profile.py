"""A profile is read once and strictly, and every problem is told at once."""

import datetime as dt
from pathlib import Path

import pytest

from homeroom.credentials import credentials_of, sealing_key_of, signing_key_of
from homeroom.development import (
    HUB_ROLES,
    ORGANIZATION_ROLES,
    DevelopmentAuthority,
    Hub,
    development_issuer,
    write_profile,
)
from homeroom.errors import AlreadyRecordedError, RequestInvalidError
from homeroom.identity import Identity, Role
from homeroom.profile import load_profile, profile_path
from homeroom.users import User, read_user

NOW = dt.datetime.now(dt.UTC)
HUB = Hub("hub", "127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003", b"\7" * 32)


@pytest.fixture
def authority(tmp_path: Path) -> DevelopmentAuthority:
    return DevelopmentAuthority.create(tmp_path, "test.homeroom", NOW)


@pytest.fixture
def profile_file(authority: DevelopmentAuthority) -> Path:
    folder = authority.make_organization("dsni", ORGANIZATION_ROLES, NOW)
    return write_profile(folder, "test.homeroom", HUB, node_address="127.0.0.1:7010")


def test_a_written_profile_is_read_back(profile_file: Path) -> None:
    """Paths are relative to the file, and the keys and certificates it names load."""
    profile = load_profile(profile_file, {})

    assert profile.organization_id == "dsni"
    assert profile.registry_key == b"\7" * 32
    assert profile.node is not None
    assert profile.node.organization_id == "dsni"
    assert signing_key_of(profile).key_id != sealing_key_of(profile).key_id
    assert credentials_of(profile, Role.STEWARD).certificate.startswith(b"-----BEGIN")
    with pytest.raises(RequestInvalidError, match="operator"):
        credentials_of(profile, Role.OPERATOR)


def test_the_environment_overrides_and_chooses(profile_file: Path) -> None:
    """HOMEROOM_PROFILE names the file, HOMEROOM_PROFILE_<FIELD> replaces a field."""
    environ = {
        "HOMEROOM_PROFILE": str(profile_file),
        "HOMEROOM_PROFILE_GATEWAY_ADDRESS": "gateway:443",
        "HOMEROOM_NODE_ADDRESS": "a node's own setting, not ours",
    }

    profile = load_profile(None, environ)

    assert profile.gateway is not None
    assert profile.gateway.address == "gateway:443"


@pytest.mark.parametrize(
    "address",
    ["gateway:443", "[::1]:7003", "dns:///gateway:443", "ipv4:192.0.2.1:443,192.0.2.2:443"],
)
def test_a_service_may_have_replicas(profile_file: Path, address: str) -> None:
    """A name whose addresses take turns, or the addresses themselves."""
    profile = load_profile(profile_file, {"HOMEROOM_PROFILE_GATEWAY_ADDRESS": address})

    assert profile.gateway is not None
    assert profile.gateway.address == address


@pytest.mark.parametrize("address", ["gateway", "dns:///gateway", "a:1,b:2", "ipv4:", "a b:1"])
def test_what_is_no_address_is_refused(profile_file: Path, address: str) -> None:
    with pytest.raises(RequestInvalidError, match=r"gateway\.address"):
        load_profile(profile_file, {"HOMEROOM_PROFILE_GATEWAY_ADDRESS": address})


def test_every_problem_is_told_at_once(profile_file: Path) -> None:
    """A malformed key, an unknown field, a missing file and an unknown variable: four lines."""
    text = profile_file.read_text().replace("07" * 32, "07").replace("[gateway]", "[portal]")
    profile_file.write_text(text)

    with pytest.raises(RequestInvalidError) as refused:
        load_profile(profile_file, {"HOMEROOM_PROFILE_COLOUR": "red"})

    message = refused.value.message
    for problem in ("registry_key: ", "portal: ", "HOMEROOM_PROFILE_COLOUR: "):
        assert problem in message

    profile_file.write_text(text.replace('"07"', f'"{"07" * 32}"').replace("[portal]", "[gateway]"))
    (profile_file.parent / "app_key.pem").unlink()
    with pytest.raises(RequestInvalidError, match=r"app\.private_key: there is no file"):
        load_profile(profile_file, {})


def test_a_missing_or_malformed_profile_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RequestInvalidError, match="cannot be read"):
        load_profile(tmp_path / "none.toml", {})
    broken = tmp_path / "broken.toml"
    broken.write_text("federation =")
    with pytest.raises(RequestInvalidError, match="is not TOML"):
        load_profile(broken, {})


def test_a_name_means_a_file_of_the_user() -> None:
    assert profile_path("dsni") == Path("~/.config/homeroom/dsni.toml").expanduser()
    assert profile_path("./dsni.toml") == Path("./dsni.toml")


def test_a_token_is_a_file_or_itself_and_is_never_shown(profile_file: Path) -> None:
    """The token's value may stand in the environment; printing the profile does not tell it."""
    (profile_file.parent / "user.token").write_text("eyJ-from-file\n")
    assert load_profile(profile_file, {}).read_user_token() == "eyJ-from-file"

    profile = load_profile(profile_file, {"HOMEROOM_PROFILE_USER_TOKEN": "eyJ-itself"})
    assert profile.read_user_token() == "eyJ-itself"
    assert "eyJ" not in repr(profile)


def test_a_key_file_of_another_kind_is_refused(profile_file: Path) -> None:
    folder = profile_file.parent
    (folder / "signing_key.pem").write_bytes((folder / "sealing_key.pem").read_bytes())

    with pytest.raises(RequestInvalidError, match="cannot be used"):
        signing_key_of(load_profile(profile_file, {}))


def test_secrets_are_their_owners_alone(profile_file: Path) -> None:
    """Every private key of the development authority has mode 0600."""
    secret = [*profile_file.parent.parent.rglob("*_key.*")]

    assert len(secret) == 9
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_nothing_is_overwritten_without_force(
    authority: DevelopmentAuthority, profile_file: Path
) -> None:
    """A second run keeps the first one's keys, unless it is told to replace them."""
    before = (profile_file.parent / "signing_key.pem").read_bytes()

    with pytest.raises(AlreadyRecordedError):
        authority.make_organization("dsni", ORGANIZATION_ROLES, NOW)
    with pytest.raises(AlreadyRecordedError):
        write_profile(profile_file.parent, "test.homeroom", HUB)
    with pytest.raises(AlreadyRecordedError):
        DevelopmentAuthority.create(authority.folder, "test.homeroom", NOW)
    assert (profile_file.parent / "signing_key.pem").read_bytes() == before

    authority.make_organization("dsni", ORGANIZATION_ROLES, NOW, force=True)
    assert (profile_file.parent / "signing_key.pem").read_bytes() != before


def test_an_authority_is_opened_again(authority: DevelopmentAuthority) -> None:
    """The folder is the authority: opened later it is of the same federation and certificate."""
    again = DevelopmentAuthority.open(authority.folder)

    assert again.federation == "test.homeroom"
    assert again.authorities() == authority.authorities()
    with pytest.raises(RequestInvalidError):
        DevelopmentAuthority.open(authority.folder / "elsewhere")


def test_a_certificate_names_its_bearer_alone(authority: DevelopmentAuthority) -> None:
    """One URI and one DNS name, good for thirty days, and no authority of its own."""
    from cryptography import x509  # noqa: PLC0415 - beside its only use

    identity = Identity("test.homeroom", "dsni", Role.APP)
    certificate = x509.load_pem_x509_certificate(authority.issue(identity, NOW)[0])

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [identity.uri]
    assert names.get_values_for_type(x509.DNSName) == [identity.dns_name]
    assert (certificate.not_valid_after_utc - NOW).days in (29, 30)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not basic.ca


def test_a_development_token_is_accepted_as_its_issuers(authority: DevelopmentAuthority) -> None:
    """The issuer's public keys, as the registry would have them, accept the token."""
    folder = authority.make_organization("hub", HUB_ROLES, NOW)
    issuer = development_issuer(folder, "test.homeroom")
    user = User("u1", "hub", "operator", dt.date(2030, 1, 1))

    token = issuer.token(user, "test.homeroom", NOW)

    assert read_user(token, issuer.public(), "test.homeroom", NOW) == user
    assert issuer.public().keys == (folder / "issuer_public.json").read_text()
    assert '"d"' not in issuer.public().keys
