"""Asks the federation's and the organization's own policy, and changes them while the node runs."""

from services.node.policy.deciding import ConsentPolicy, NodePolicies, ReadingPolicy, decided
from services.node.policy.opening import PolicyFiles, open_policies
from services.node.policy.replay import Replay

__all__ = [
    "ConsentPolicy",
    "NodePolicies",
    "PolicyFiles",
    "ReadingPolicy",
    "Replay",
    "decided",
    "open_policies",
]
