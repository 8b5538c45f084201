"""Planning: decides which requests answer a query. Pure: no request is made here.

The modules in the order in which they are used: ``conditions`` reads the conditions that the host
hands over. ``planner`` decides which requests are made. For that it uses ``path_values`` (which
values go into paths), ``shippable`` (which conditions may be sent as a filter), and ``bbql`` and
``q`` (how the filter is written). The result is a :class:`Plan`, which ``reading`` runs.
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
