"""Which caller may call which RPC of a node."""

from homeroom.identity import Role
from services.runtime.access import AccessTable

_NODE = "/homeroom.api.node.v1."
_STEWARD = frozenset({Role.STEWARD})
_OWN = frozenset({Role.APP, Role.STEWARD})

ACCESS: AccessTable = {
    f"{_NODE}NodeService/Answer": frozenset({Role.GATEWAY}),
    f"{_NODE}NodeService/ResumeAnswer": frozenset({Role.GATEWAY}),
    f"{_NODE}NodeService/GetNodeStatus": _OWN,
    f"{_NODE}AccountService/GetAccount": frozenset({Role.GATEWAY}),
    f"{_NODE}AuditService/GetCheckpoint": _OWN | {Role.GATEWAY},
    f"{_NODE}ReviewService/ListReviews": _STEWARD,
    f"{_NODE}ReviewService/DecideReview": _STEWARD,
    f"{_NODE}ReviewService/UndoLink": _STEWARD,
    f"{_NODE}MatterService/AddMatter": _STEWARD,
    f"{_NODE}MatterService/ListMatters": _STEWARD,
    f"{_NODE}MatterService/GetMatter": _STEWARD,
    f"{_NODE}MatterService/EndMatter": _STEWARD,
    f"{_NODE}ApprovalService/ListApprovals": _STEWARD,
    f"{_NODE}ApprovalService/DecideApproval": _STEWARD,
    f"{_NODE}OutsideService/AnswerOutside": _STEWARD,
    f"{_NODE}DestructionService/CertifyDestruction": frozenset({Role.GATEWAY}),
    f"{_NODE}DestructionService/NoteCertified": _OWN,
    f"{_NODE}DestructionService/ListOutstanding": _STEWARD,
    f"{_NODE}DisclosureService/ListDisclosures": _STEWARD,
    f"{_NODE}DisclosureService/GetReleasedCopy": _STEWARD,
}
"""Of the holder's own people; each service looks besides whose they are."""
