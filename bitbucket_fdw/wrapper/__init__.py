"""The glue to Multicorn: the only room that imports ``multicorn``.

Servers name these classes by their dotted names, ``bitbucket_fdw.wrapper.BitbucketFdw``.
"""

from .catalog import CatalogFdw
from .foreign_table import BitbucketFdw
from .sql_functions import ServiceFdw

__all__ = ["BitbucketFdw", "CatalogFdw", "ServiceFdw"]
