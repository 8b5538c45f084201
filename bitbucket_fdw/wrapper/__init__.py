"""The glue to Multicorn: the only room that imports ``multicorn``.

Servers name these classes by their dotted names, ``bitbucket_fdw.wrapper.BitbucketFdw``. What few
sessions need is loaded when it is first asked for. The postmaster loads all of it, for all sessions
(``multicorn.preload_modules``).
"""

from typing import TYPE_CHECKING, Any

from .. import tables
from ..postgres.backend import is_postmaster
from .foreign_table import BitbucketFdw

if TYPE_CHECKING:
    from .catalog import CatalogFdw
    from .sql_functions import ServiceFdw

__all__ = ["BitbucketFdw", "CatalogFdw", "ServiceFdw"]


def __getattr__(name: str) -> Any:
    if name == "CatalogFdw":
        from .catalog import CatalogFdw

        return CatalogFdw
    if name == "ServiceFdw":
        from .sql_functions import ServiceFdw

        return ServiceFdw
    raise AttributeError(f"module {__name__} has no {name}")


def load_everything() -> tuple[object, ...]:
    """Load what is otherwise loaded when it is first asked for."""
    from . import catalog, importing, sql_functions

    return catalog, importing, sql_functions, tables.TABLES


if is_postmaster():
    load_everything()
