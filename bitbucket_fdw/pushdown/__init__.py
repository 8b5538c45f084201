"""Pure planning: from SQL conditions to the requests that answer them. No I/O in here."""

from .conditions import Condition, Qual, conditions_of
from .plan import Binding, Plan, Query
from .planner import plan
from .request import Refusals, Request

__all__ = [
    "Binding",
    "Condition",
    "Plan",
    "Qual",
    "Query",
    "Refusals",
    "Request",
    "conditions_of",
    "plan",
]
