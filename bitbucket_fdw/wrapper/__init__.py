"""The glue to Multicorn: the only room that imports ``multicorn``.

Servers name these classes by their dotted names, ``bitbucket_fdw.wrapper.BitbucketFdw``.
"""

from ..postgres import interrupts
from .backend_state import STATE
from .catalog import CatalogFdw
from .foreign_table import BitbucketFdw
from .sql_functions import ServiceFdw

__all__ = ["BitbucketFdw", "CatalogFdw", "ServiceFdw"]

# Whichever table it is that has a token renewed, the end of the session waits for it.
interrupts.before_exit(STATE.clients.shared.renewals.end)
