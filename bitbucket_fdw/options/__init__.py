"""Every option, declared in one table that validation, error messages and documentation read.

The host hands a wrapper the options of foreign table, server and user mapping as one dictionary.
Therefore no two options may have the same name. Option ``wrapper`` belongs to the host, which
removes it. The bundled host also hands over the levels apart. Then each level is checked by itself
whenever the options are used, because a ``base_url`` that somebody put on a table would have the
credentials of others sent to another address.
"""

from .declared import (
    COLUMN,
    IMPORT,
    LEVELS,
    MAPPING,
    OPTIONS,
    SERVER,
    TABLE,
    Option,
)
from .given import UNSEEN, is_secret, parse, parse_one, read, validate
from .values import slugs_of_page

__all__ = [
    "COLUMN",
    "IMPORT",
    "LEVELS",
    "MAPPING",
    "OPTIONS",
    "SERVER",
    "TABLE",
    "UNSEEN",
    "Option",
    "is_secret",
    "parse",
    "parse_one",
    "read",
    "slugs_of_page",
    "validate",
]
