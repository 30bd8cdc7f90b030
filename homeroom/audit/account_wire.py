"""An account on its way: asked for and signed, told and sealed, and read back.

Whoever carries it sees neither how many questions there were nor what became of them.
"""

import datetime as dt
from collections.abc import Sequence

from homeroom.api.common.v1 import account_pb2, evidence_pb2
from homeroom.audit.accounts import Account, AccountRequest, LoggedEntry, LoggedQuestion
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import check_signed_by, decode, signed
from homeroom.sealing import SealingKey, seal
from homeroom.signing import Domain, SigningKey, digest_of, key_id_of

NONCE_BYTES = 16
MOST_KNOWN_SIZES = 8
"""How many sizes of a log one request may have proofs for."""


def write_request(request: AccountRequest, nonce: bytes) -> bytes:
    """The exact bytes of a request, which are signed."""
    message = account_pb2.AccountRequest(
        requester=request.requester,
        holder=request.holder,
        from_index=request.from_index,
        page_size=request.page_size,
        known_sizes=request.known_sizes,
        nonce=nonce,
    )
    message.ask_time.FromDatetime(request.asked_at)
    if request.since > 0:
        message.since_time.FromSeconds(request.since)
    return message.SerializeToString(deterministic=True)


def read_request(statement: bytes) -> AccountRequest:
    """Reads what was signed.

    Raises:
        EvidenceInvalidError: if it is no such request, or not well formed.
    """
    message = decode(account_pb2.AccountRequest, statement)
    if len(message.nonce) != NONCE_BYTES or len(message.known_sizes) > MOST_KNOWN_SIZES:
        raise EvidenceInvalidError("a request for an account is malformed")
    try:
        asked_at = message.ask_time.ToDatetime(dt.UTC)
    except ValueError:
        raise EvidenceInvalidError("a request for an account is malformed") from None
    return AccountRequest(
        requester=message.requester,
        holder=message.holder,
        asked_at=asked_at,
        since=message.since_time.ToSeconds() if message.HasField("since_time") else 0,
        from_index=message.from_index,
        page_size=message.page_size,
        known_sizes=tuple(message.known_sizes),
    )


def seal_account(
    account: Account, request: bytes, signing_key: SigningKey, requester_key: bytes
) -> bytes:
    """The account as it travels: signed by the holder, sealed to the requester.

    Args:
        account: what the holder says.
        request: the exact bytes of the request that it answers.
        signing_key: the holder's.
        requester_key: the requester's public sealing key.
    """
    message = account_pb2.Account(
        request_digest=digest_of(request),
        holder=account.holder,
        requester=account.requester,
        checkpoint=account.note,
        consistency_paths=account.growth,
        questions=map(_question_message, account.questions),
        next_index=account.next_index,
    )
    evidence = signed(
        Domain.ACCOUNT,
        message.SerializeToString(deterministic=True),
        account.holder,
        signing_key,
    )
    context = _context(request, account.holder)
    return seal(evidence.SerializeToString(), requester_key, context)


def open_account(
    sealed: bytes,
    request: bytes,
    holder_keys: Sequence[bytes],
    sealing_key: SealingKey,
) -> Account:
    """Opens an account and checks that its holder gave it for this request; proves nothing yet.

    Args:
        sealed: the account as it travelled.
        request: the exact bytes of the request.
        holder_keys: the holder's signing keys that count now.
        sealing_key: the requester's.

    Raises:
        EvidenceInvalidError: if it did not, or it cannot be opened or read.
    """
    asked = read_request(request)
    opened = sealing_key.open(sealed, _context(request, asked.holder))
    evidence = decode(evidence_pb2.SignedStatement, opened)
    named = {one.key_id for one in evidence.signatures}
    key = next((key for key in holder_keys if key_id_of(key) in named), b"")
    statement = check_signed_by(Domain.ACCOUNT, evidence, asked.holder, key)
    message = decode(account_pb2.Account, statement)
    expected = (digest_of(request), asked.holder, asked.requester)
    if (message.request_digest, message.holder, message.requester) != expected:
        raise EvidenceInvalidError("an account is of another request")
    return Account(
        message.holder,
        message.requester,
        message.checkpoint,
        tuple(message.consistency_paths),
        tuple(map(_question_read, message.questions)),
        message.next_index,
    )


def sign_request(
    request: AccountRequest, nonce: bytes, key: SigningKey
) -> evidence_pb2.SignedStatement:
    """The request, signed by the organization that asks."""
    return signed(Domain.ACCOUNT_REQUEST, write_request(request, nonce), request.requester, key)


def _context(request: bytes, holder: str) -> bytes:
    return b"homeroom/account/v1\x00" + digest_of(request) + holder.encode()


def _question_message(question: LoggedQuestion) -> account_pb2.AccountedQuestion:
    message = account_pb2.AccountedQuestion(
        query_digest=question.query_digest, decided=_entry_message(question.decided)
    )
    if question.ended is not None:
        message.ended.CopyFrom(_entry_message(question.ended))
    return message


def _entry_message(entry: LoggedEntry) -> account_pb2.LoggedEntry:
    return account_pb2.LoggedEntry(
        log_index=entry.index,
        kind=entry.kind,
        written_at=entry.at,
        leaf_hash=entry.leaf,
        inclusion_path=entry.path,
        entry=entry.entry,
    )


def _question_read(message: account_pb2.AccountedQuestion) -> LoggedQuestion:
    ended = _entry_read(message.ended) if message.HasField("ended") else None
    return LoggedQuestion(message.query_digest, _entry_read(message.decided), ended)


def _entry_read(message: account_pb2.LoggedEntry) -> LoggedEntry:
    return LoggedEntry(
        message.log_index,
        message.kind,
        message.written_at,
        message.leaf_hash,
        message.inclusion_path,
        message.entry,
    )
