"""A source that has not finished: what came of it, and whether it may go on where it broke off."""

from dataclasses import dataclass

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.errors import (
    DeadlinePassedError,
    EvidenceInvalidError,
    HomeroomError,
    ServiceUnreachableError,
)
from homeroom.exchange import Over
from homeroom.keeping import Keeper
from homeroom.opening import SourceOpening

_MOST_IN_VAIN = 3
"""How often in a row an answer may break off before anything came of it."""


@dataclass(slots=True)
class Pending:
    """One source, from the plan to its outcome.

    Attributes:
        problem: what was wrong with its evidence; then nothing of it is used.
        late: whether it did not come in time; then it may go on later.
        lost: whether the gateway said that it cannot be reached, and nothing came since.
        failure: with what the last call for it failed.
        stays: whether it does not go on, in the time that there is.
        tries: how often in a row it was to go on, and nothing came.
    """

    opening: SourceOpening
    keeper: Keeper
    problem: EvidenceInvalidError | None = None
    late: bool = False
    lost: bool = False
    failure: HomeroomError | None = None
    stays: bool = False
    tries: int = 0
    receipt_kept: bool = False

    def take(self, frame: answer_pb2.AnswerFrame) -> None:
        """Keeps one more frame, unless something was wrong before."""
        if self.problem is not None:
            return
        self.lost, self.tries = False, -1
        try:
            self.keeper.keep(frame, self.opening.take(frame))
        except EvidenceInvalidError as problem:
            self.problem = problem
            self.keeper.forget()

    def breaks_off(self, outcome: answer_pb2.Outcome.ValueType, *, keeps: bool) -> bool:
        """Whether an outcome is not its last, for it broke off in the middle and can go on.

        Args:
            outcome: what the gateway says of it.
            keeps: whether what came of it is kept, so that it can go on later.
        """
        begun = self.opening.next_sequence > 0 and not self.opening.has_receipt
        if not begun or self.problem is not None:
            return False
        self.late = keeps and outcome == answer_pb2.OUTCOME_TIMED_OUT
        self.lost |= outcome == answer_pb2.OUTCOME_UNREACHABLE
        return self.late or outcome == answer_pb2.OUTCOME_UNREACHABLE

    def over(self, over: Over) -> None:
        """Takes note that the call is over by which it came."""
        self.failure = over.failure or self.failure
        self.stays = over.for_good

    def prolonged(self) -> None:
        """Lets it go on in the time that it is given now."""
        self.late, self.stays, self.tries = False, False, -1
        if isinstance(self.failure, DeadlinePassedError):
            self.failure = None

    def next_try(self) -> bool:
        """Whether it is to go on now; counts it as a try."""
        passing = self.failure is None or isinstance(self.failure, ServiceUnreachableError)
        if self.problem is not None or self.late or self.stays or not passing:
            return False
        self.tries += 1
        return self.tries <= _MOST_IN_VAIN

    def position(self, holder: str) -> pb.SourcePosition:
        """Has it go on: how much came of it."""
        return pb.SourcePosition(
            holder=holder,
            next_sequence=self.opening.next_sequence,
            frames_digest=self.opening.go_on(),
        )
