"""Translates between the wire and the node's domain; holds no rule."""

from services.node.api.accounts import AccountApi
from services.node.api.approvals import ApprovalApi
from services.node.api.audit import AuditApi
from services.node.api.destructions import DestructionApi, OwnKeys
from services.node.api.disclosures import DisclosureApi
from services.node.api.matters import MatterApi
from services.node.api.node import NodeApi, NodeCounts
from services.node.api.outside import OutsideApi
from services.node.api.reviews import ReviewApi
from services.node.api.stewards import Stewards

__all__ = [
    "AccountApi",
    "ApprovalApi",
    "AuditApi",
    "DestructionApi",
    "DisclosureApi",
    "MatterApi",
    "NodeApi",
    "NodeCounts",
    "OutsideApi",
    "OwnKeys",
    "ReviewApi",
    "Stewards",
]
