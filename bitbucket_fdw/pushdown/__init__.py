"""Planning: decides which requests answer a query. Pure: no request is made here.

The way through the modules: ``conditions`` reads what the host gives, ``planner`` decides, with
``path_values`` for what goes into a path, ``shippable`` for what may be sent as a filter, and
``bbql`` and ``q`` for how it is written. The result is a :class:`Plan`, which ``reading`` runs.
"""

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
