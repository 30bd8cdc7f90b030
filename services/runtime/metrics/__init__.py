"""What a service tells Prometheus: numbers about calls, states, logs and keys; never a person.

A label has a value of a closed list of ours, or the name of an organization of the federation. What
a caller made up (a method that does not exist, a word that is none of ours) is counted as `other`.
"""

from services.runtime.metrics.calls import CallMeasures
from services.runtime.metrics.labels import BASES, OTHER, REASONS, Bounded, Names, listed
from services.runtime.metrics.metrics import Metrics
from services.runtime.metrics.queues import measure_turns
from services.runtime.metrics.readings import Reading
from services.runtime.metrics.states import ages_of, measure_policies, sequences_of

__all__ = [
    "BASES",
    "OTHER",
    "REASONS",
    "Bounded",
    "CallMeasures",
    "Metrics",
    "Names",
    "Reading",
    "ages_of",
    "listed",
    "measure_policies",
    "measure_turns",
    "sequences_of",
]
