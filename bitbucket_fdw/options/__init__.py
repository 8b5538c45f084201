"""Every option there is: one table feeds validation, error messages and the documentation.

The host hands a wrapper the options of foreign table, server and user mapping as one dictionary,
so that no name may stand for two things. ``wrapper`` belongs to the host and is taken out by it.
The bundled host hands them over apart as well, and then each level is checked by itself whenever
they are used: a table's ``base_url`` would have the credentials of others sent elsewhere.
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
    "validate",
]
