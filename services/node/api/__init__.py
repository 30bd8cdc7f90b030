"""Translates between the wire and the node's domain; holds no rule."""

from services.node.api.node import NodeApi, NodeCounts
from services.node.api.reviews import ReviewApi

__all__ = ["NodeApi", "NodeCounts", "ReviewApi"]
