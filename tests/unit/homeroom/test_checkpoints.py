"""Checkpoints and cosignatures: the published vectors, and what does not pass for one."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from homeroom.audit.checkpoint import (
    Checkpoint,
    cosign,
    log_origin,
    open_checkpoint,
    open_cosignatures,
    read_checkpoint,
    registry_witness_name,
    sign_checkpoint,
    witness_key,
    witness_name,
)
from homeroom.audit.note import NoteKey, NoteSignature, SignedNote, check_signature
from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import check_consistency
from homeroom.signing import SigningKey

# Go's own test of signed notes (golang.org/x/mod/sumdb/note).
PETER = NoteKey("PeterNeumann", b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:])
PETER_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ADVICE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
# The witness of transparency-dev: a log, two checkpoints of it and the path between them.
MONKEYS = b64decode("AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT")[1:]
MONKEYS_SEED = b64decode("ATWIAF3yVBG+Hv1rZFQoNt/BaURkLPtOFMAM2HrEeIr6")[1:]
MONKEYS_5 = (
    "monkeys\n5\n41smjBUiAU70EtKlT6lIOIYtRTYxYXsDB+XHfcvu/BE=\n\n"
    "— monkeys 202fftzGl3LVoqjXfwCFZZXs8I+5G22+Ek2K0AOyBuSJ/8/CZawNF+6fNlTKOCd622pbzJNkkJFWuw9Dbi"
    "cZCkEx9AY=\n"
)
MONKEYS_8 = (
    "monkeys\n8\nV8K9aklZ4EPB+RMOk1/8VsJUdFZR77GDtZUQq84vSbo=\n\n"
    "— monkeys 202ffoUEboiQYpHzICeaFmoy3RNviHTpAxYrq/eO4QQVQMvu9UebKBMX2MJC76NLthZaKsnKbCA8GxrjeP"
    "ZhvDCH7Ag=\n"
)
MONKEYS_PATH = bytes.fromhex(
    "b9e1d62618f7fee8034e4c5010f727ab24d8e4705cb296c374bf2025a87a10d2"
    "aac66cd7a79ce4012d80762fe8eec3a77f22d1ca4145c3f4cee022e7efcd599d"
    "89d0f753f66a290c483b39cd5e9eafb12021293395fad3d4a2ad053cfbcfdc9e"
    "29e40bb79c966f4c6fe96aff6f30acfce5f3e8d84c02215175d6e018a5dee833"
)
# A checkpoint of a public log of certificates as four witnesses cosigned it, and one's key.
PUBLIC_LOG = "arche2025h1.staging.ct.transparency.dev"
PUBLIC_LOG_KEY = b64decode("AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f")[1:]
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
PUBLIC_NOTE = (
    "arche2025h1.staging.ct.transparency.dev\n"
    "1432088532\n"
    "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n"
    "\n"
    "— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPM"
    "HbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n"
    "— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3N"
    "ygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n"
    "— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2r"
    "hIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n"
    "— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ"
    "75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n"
    "— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sX"
    "Tynk5XeU/zZ0WBxtqB0DrAWfBw==\n"
    "— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmI"
    "Y/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==\n"
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORIGIN = log_origin("homeroom.test", "riverside-usd")
LOG_KEY, WITNESS_KEY, OTHER_KEY = (SigningKey.generate() for _ in range(3))
WITNESS = witness_key(registry_witness_name("homeroom.test"), WITNESS_KEY.public)
HEAD = Checkpoint(ORIGIN, 7, bytes(range(32)))
NOTE = sign_checkpoint(HEAD, ORIGIN, LOG_KEY)


def key_of(seed: bytes) -> SigningKey:
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed))


def test_a_note_is_written_and_read_as_go_does() -> None:
    """Ed25519 signs the same bytes alike, so that the published note comes out to the byte."""
    signed = SignedNote.parse(f"{ADVICE}\n{PETER_LINE}")

    assert signed.text == ADVICE
    assert signed.encode() == f"{ADVICE}\n{PETER_LINE}"
    (signature,) = signed.signed_by(PETER)
    check_signature(PETER, signature, signed.text)
    again = key_of(PETER_SEED).private.sign(ADVICE.encode())
    assert NoteSignature("PeterNeumann", PETER.key_id, again).line() == PETER_LINE
    assert PETER.verifier_key() == (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )


@pytest.mark.parametrize(
    "note",
    [
        ADVICE,
        ADVICE + "\n",
        f"{ADVICE}\n{PETER_LINE[:-1]}",
        f"\x01{ADVICE}\n{PETER_LINE}",
        f"{ADVICE}\ud800\n{PETER_LINE}",
        f"{ADVICE}\n{PETER_LINE.replace('PeterNeumann', 'Bad Name')}",
        f"{ADVICE}\n{PETER_LINE.replace('PeterNeumann', 'Peter+Neumann')}",
        f"{ADVICE}\n{PETER_LINE.replace('PeterNeumann', '')}",
        f"{ADVICE}\n" + PETER_LINE.replace("PeterNeumann", "Peter\u2003Neumann"),
        f"{ADVICE}\n{PETER_LINE}Unexpected line.\n",
        f"{ADVICE}\n{PETER_LINE.replace('AM=', 'AN=')}",
        f"{ADVICE}\n— PeterNeumann x08gow==\n",
        f"{ADVICE}\n{PETER_LINE * 101}",
        f"\n\n{PETER_LINE}",
    ],
)
def test_what_is_not_exactly_a_note_is_refused(note: str) -> None:
    with pytest.raises(EvidenceInvalidError):
        SignedNote.parse(note)


def test_a_text_ends_at_the_last_empty_line() -> None:
    signed = SignedNote.parse(f"one\n\ntwo\n\n{PETER_LINE}")

    assert signed.text == "one\n\ntwo\n"


def test_published_checkpoints_open_and_the_path_between_them_leads() -> None:
    older = open_checkpoint(MONKEYS_5, "monkeys", MONKEYS)
    newer = open_checkpoint(MONKEYS_8, "monkeys", MONKEYS)

    assert (older.size, newer.size) == (5, 8)
    check_consistency(older.size, older.root, newer.size, newer.root, MONKEYS_PATH)
    assert sign_checkpoint(older, "monkeys", key_of(MONKEYS_SEED)) == MONKEYS_5
    assert sign_checkpoint(newer, "monkeys", key_of(MONKEYS_SEED)) == MONKEYS_8


def test_a_cosignature_of_a_public_witness_checks() -> None:
    name, _, material = REMORA.split("+", 2)
    remora = witness_key(name, b64decode(material)[1:])

    assert remora.verifier_key() == REMORA
    assert open_checkpoint(PUBLIC_NOTE, PUBLIC_LOG, PUBLIC_LOG_KEY).size == 1432088532
    (cosignature,) = open_cosignatures(PUBLIC_NOTE, [remora, WITNESS])
    assert cosignature.witness == "remora.n621.de"
    assert cosignature.at == datetime(2026, 5, 23, 21, 50, 24, tzinfo=UTC)
    with pytest.raises(EvidenceInvalidError):
        open_cosignatures(PUBLIC_NOTE.replace("1432088532", "1432088531"), [remora])


def test_a_checkpoint_opens_as_it_was_signed() -> None:
    assert open_checkpoint(NOTE, ORIGIN, LOG_KEY.public) == HEAD
    assert read_checkpoint(NOTE) == HEAD
    assert NOTE.startswith("homeroom/homeroom.test/riverside-usd/log\n7\n")


def test_another_key_or_another_log_opens_nothing() -> None:
    """The origin is signed with the rest: one organization's checkpoint is no other's."""
    other = log_origin("homeroom.test", "hillcrest-usd")
    lent = sign_checkpoint(Checkpoint(other, 7, HEAD.root), ORIGIN, LOG_KEY)

    for note, name, key in (
        (NOTE, ORIGIN, OTHER_KEY),
        (NOTE, other, LOG_KEY),
        (lent, ORIGIN, LOG_KEY),
    ):
        with pytest.raises(EvidenceInvalidError):
            open_checkpoint(note, name, key.public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n٣\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n9223372036854775808\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n" + "9" * 5_000 + "\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
        "a\n1\nAAAA\n",
        "a\n1\nThisIsn'tBase64\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nan extension\n",
        " a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(EvidenceInvalidError):
        Checkpoint.decode(text)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_every_checkpoint_is_read_as_it_was_written(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)

    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


@given(st.integers(0, len(NOTE) - 1), st.sampled_from("0A\n +=—x"))
def test_no_changed_character_leaves_another_checkpoint(place: int, sign: str) -> None:
    """Whatever is changed, the note opens as what was signed or not at all."""
    changed = NOTE[:place] + sign + NOTE[place + 1 :]
    try:
        assert open_checkpoint(changed, ORIGIN, LOG_KEY.public) == HEAD
        assert changed == NOTE
    except EvidenceInvalidError:
        assert changed != NOTE


def test_a_witness_adds_its_line_and_its_time() -> None:
    note = NOTE + cosign(NOTE, WITNESS.name, WITNESS_KEY, NOON)

    assert open_checkpoint(note, ORIGIN, LOG_KEY.public) == HEAD
    (found,) = open_cosignatures(note, [WITNESS])
    assert (found.witness, found.at) == ("homeroom/homeroom.test/witness", NOON)
    later = note + cosign(note, WITNESS.name, WITNESS_KEY, NOON + timedelta(hours=1))
    assert open_cosignatures(later, [WITNESS])[0].at == NOON + timedelta(hours=1)


def test_a_cosignature_serves_no_other_checkpoint_name_key_or_time() -> None:
    line = cosign(NOTE, WITNESS.name, WITNESS_KEY, NOON)
    longer = sign_checkpoint(Checkpoint(ORIGIN, 8, HEAD.root), ORIGIN, LOG_KEY)
    partner = witness_key(witness_name("homeroom.test", "harbor-house"), WITNESS_KEY.public)
    content = b64decode(line.split(" ")[2])
    earlier = content[:4] + (5).to_bytes(8, "big") + content[12:]
    redated = NoteSignature(WITNESS.name, earlier[:4], earlier[4:]).line()

    with pytest.raises(EvidenceInvalidError):
        open_cosignatures(longer + line, [WITNESS])
    with pytest.raises(EvidenceInvalidError):
        open_cosignatures(NOTE + redated, [WITNESS])
    assert open_cosignatures(NOTE + line, [partner]) == ()
    assert open_cosignatures(NOTE, [WITNESS]) == ()


def test_a_logs_own_signature_is_no_cosignature() -> None:
    """The same key and name by another kind have another key id, and sign other bytes."""
    own = witness_key(ORIGIN, LOG_KEY.public)
    content = b64decode(NOTE.rstrip("\n").rsplit(" ", 1)[1])[4:]
    disguised = NOTE + NoteSignature(ORIGIN, own.key_id, bytes(8) + content).line()

    assert open_cosignatures(NOTE, [own]) == ()
    with pytest.raises(EvidenceInvalidError):
        open_cosignatures(disguised, [own])


def test_only_checkpoints_are_cosigned() -> None:
    with pytest.raises(EvidenceInvalidError):
        cosign(f"{ADVICE}\n{PETER_LINE}", WITNESS.name, WITNESS_KEY, NOON)
