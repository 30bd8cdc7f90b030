"""Opens one holder's answer: frames in order, then a receipt that must account for all of them."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from homeroom.api.common.v1 import answer_pb2, evidence_pb2
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import check_signed_by, decode, key_that_signed
from homeroom.key_history import KeyHistory
from homeroom.question import Question
from homeroom.sealing import AnswerContext, AnswerOpener, SealingKey
from homeroom.signing import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A question as it was signed and asked, and the key that opens its answers."""

    question: Question
    requester: str
    query_digest: bytes
    sealing_key: SealingKey


class SourceOpening:
    """One holder's answer as it comes in.

    Its rows may be read only when `check` has returned its receipt: until then whoever carried the
    frames could have made them, for anyone can seal to the requester, and Arrow's reader is not
    made for bytes of strangers.
    """

    def __init__(self, asking: Asking, holder: str) -> None:
        self._asking = asking
        self._holder = holder
        self._opener: AnswerOpener | None = None
        self._expected = 0
        self._went_on = False
        self._outcome = answer_pb2.OUTCOME_UNSPECIFIED
        self._receipt = b""

    @property
    def has_receipt(self) -> bool:
        return bool(self._receipt)

    @property
    def outcome(self) -> answer_pb2.Outcome.ValueType:
        """What the last frame says became of the question; until it came, nothing."""
        return self._outcome

    @property
    def next_sequence(self) -> int:
        """How many frames came: the number of the next one."""
        return self._expected

    @property
    def has_gone_on(self) -> bool:
        """Whether it broke off before and was to go on."""
        return self._went_on

    def go_on(self) -> bytes:
        """Has the answer go on that broke off; returns the digest that shows what of it came."""
        self._went_on = True
        return self._opener.frames_digest() if self._opener is not None else b""

    @property
    def receipt(self) -> bytes:
        """The holder's SignedStatement, serialized."""
        return self._receipt

    def take(self, frame: answer_pb2.AnswerFrame) -> bytes:
        """Opens the next frame; returns its piece of the rows, not to be read yet.

        Raises:
            EvidenceInvalidError: if it is not the next frame of this answer.
        """
        if frame.sequence != self._expected or self._ended:
            raise EvidenceInvalidError("a frame of the answer is missing or out of order")
        if bool(frame.sealed_key) != (self._expected == 0 and self._has_content(frame)):
            raise EvidenceInvalidError("an answer's first frame brings its key, and no other")
        self._expected += 1
        if frame.sealed_key:
            context = AnswerContext(self._asking.query_digest, self._holder)
            self._opener = AnswerOpener(frame.sealed_key, self._asking.sealing_key, context)
        piece = self._open_rows(frame) if frame.sealed_rows else b""
        self._outcome = frame.outcome
        if frame.sealed_receipt:
            self._receipt = self._opened_by().open_receipt(frame.sequence, frame.sealed_receipt)
        return piece

    def check(self, claimed: answer_pb2.Outcome.ValueType, holder_key: bytes) -> answer_pb2.Receipt:
        """Checks the receipt against the holder's key and the frames that were opened.

        Args:
            claimed: what the gateway says became of the question here.
            holder_key: the holder's public signing key, as the agreement names it.

        Raises:
            EvidenceInvalidError: naming the first thing that the receipt does not account for.
        """
        receipt = self.signed_by(holder_key)
        self.require_accounted(receipt, claimed)
        return receipt

    def signer(self, holder_keys: KeyHistory, now: dt.datetime) -> bytes:
        """The holder's key that is said to have signed the receipt; empty if none counts now."""
        evidence = decode(evidence_pb2.SignedStatement, self._receipt)
        return key_that_signed(evidence, self._holder, holder_keys, now)

    def signed_by(self, holder_key: bytes) -> answer_pb2.Receipt:
        """The receipt, if the holder signed it for this question.

        Raises:
            EvidenceInvalidError: if it did not.
        """
        evidence = decode(evidence_pb2.SignedStatement, self._receipt)
        statement = check_signed_by(Domain.RECEIPT, evidence, self._holder, holder_key)
        receipt = decode(answer_pb2.Receipt, statement)
        self._require(self._question_of(receipt))
        return receipt

    def require_accounted(
        self, receipt: answer_pb2.Receipt, claimed: answer_pb2.Outcome.ValueType
    ) -> None:
        """Lets a receipt pass that accounts for the frames that were opened.

        Raises:
            EvidenceInvalidError: naming the first thing that it does not account for.
        """
        self._require(self._account(receipt, claimed))
        self._check_elements(receipt)

    @property
    def _ended(self) -> bool:
        return bool(self._receipt) or self._outcome != answer_pb2.OUTCOME_UNSPECIFIED

    def _has_content(self, frame: answer_pb2.AnswerFrame) -> bool:
        return bool(frame.sealed_key or frame.sealed_rows or frame.sealed_receipt)

    def _opened_by(self) -> AnswerOpener:
        if self._opener is None:
            raise EvidenceInvalidError("an answer's first frame brings its key, and no other")
        return self._opener

    def _open_rows(self, frame: answer_pb2.AnswerFrame) -> bytes:
        return self._opened_by().open_rows(frame.sequence, frame.sealed_rows)

    def _question_of(self, receipt: answer_pb2.Receipt) -> Iterable[tuple[str, object, object]]:
        yield "query_digest", receipt.query_digest, self._asking.query_digest
        yield "holder", receipt.holder, self._holder
        yield "requester", receipt.requester, self._asking.requester

    def _account(
        self, receipt: answer_pb2.Receipt, claimed: answer_pb2.Outcome.ValueType
    ) -> Iterable[tuple[str, object, object]]:
        yield "outcome", receipt.outcome, claimed
        yield "frame outcome", self._outcome, claimed
        if self._went_on and receipt.outcome == answer_pb2.OUTCOME_NO_PERMITTED_ANSWER:
            # What was lost on the way had left too, and was not sent again; none of it is used.
            return
        yield "frames_digest", receipt.frames_digest, self._opened_by().frames_digest()

    def _require(self, compared: Iterable[tuple[str, object, object]]) -> None:
        for field, found, expected in compared:
            if found != expected:
                raise EvidenceInvalidError("the receipt is of another answer", field=field)

    def _check_elements(self, receipt: answer_pb2.Receipt) -> None:
        asked = set(self._asking.question.elements)
        released = set(receipt.released_elements)
        withheld = {w.element for w in receipt.withheld_elements}
        if not (released | withheld) <= asked or released & withheld:
            raise EvidenceInvalidError("the receipt is of another answer", field="elements")
