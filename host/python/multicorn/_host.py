"""What the bundled host's C code calls by name: decisions, bookkeeping, and checks of wrappers.

Private to the host; Multicorn2 has no such module. The C code keeps what needs PostgreSQL's
structures, and what is done for every row.
"""

from __future__ import annotations

from typing import Any

from . import Execution, get_class
from ._instances import Server, current_instance, forget_table, make_instance, tables_to_check
from ._reports import failure, raise_postgres_error, report
from ._transactions import transaction_event
from ._values import array_parts, date_value, nested, plain_row, text, timestamp_value

__all__ = [
    "Execution",
    "array_parts",
    "current_instance",
    "date_value",
    "forget_table",
    "import_schema",
    "make_instance",
    "nested",
    "plain_row",
    "raise_postgres_error",
    "report",
    "tables_to_check",
    "text",
    "timestamp_value",
    "transaction_event",
    "validate",
]

# Of the objects that have options, by the catalog they are in.
LEVELS = {
    "pg_foreign_server": "server",
    "pg_foreign_table": "table",
    "pg_user_mapping": "user_mapping",
    "pg_attribute": "column",
}


def validate(catalog: str, options: dict[str, str], servers: list[dict[str, str]]) -> None:
    """Check the options of an object at CREATE and ALTER; raises for those that are refused.

    ``servers`` are the options of each server that may be the object's own, which PostgreSQL does
    not tell.
    """
    level = LEVELS.get(catalog, "object")
    wrapper = options.pop("wrapper", None)
    if level == "server":
        if wrapper is None:
            raise failure("The wrapper parameter is mandatory, specify a valid class name", "HV002")
        _validate_with(get_class(wrapper), options, level)
        return
    if wrapper is not None:
        # Whoever may set it chooses what code the server runs.
        message = f"Cannot set the wrapper class on the {level.replace('_', ' ')}"
        raise failure(message, "HV00D", "Set it on the server")
    _validate_with_any([s["wrapper"] for s in servers if "wrapper" in s], options, level)


def _validate_with(wrapper_class: Any, options: dict[str, str], level: str) -> None:
    validate_options = getattr(wrapper_class, "validate_options", None)
    if validate_options is not None:
        validate_options(options, level)


def _validate_with_any(wrappers: list[str], options: dict[str, str], level: str) -> None:
    """Refuse what none of the wrappers takes, in the words of the last one.

    A class that cannot be imported for the moment refuses nothing: its first use will tell.
    """
    refusal: Exception | None = None
    for wrapper in dict.fromkeys(wrappers):
        try:
            wrapper_class = get_class(wrapper)
        except Exception:
            return
        try:
            _validate_with(wrapper_class, dict(options), level)
        except Exception as exc:
            refusal = exc
        else:
            return
    if refusal is not None:
        raise refusal


def import_schema(
    server: tuple[Any, ...],
    schema: str,
    options: dict[str, str],
    restriction: str | None,
    tables: list[str],
    local_schema: str,
) -> list[str]:
    """Return the CREATE FOREIGN TABLE statements that IMPORT FOREIGN SCHEMA runs."""
    of_server = Server(*server)
    definitions = get_class(of_server.wrapper).import_schema(
        schema, of_server.options_for({}), options, restriction, tables
    )
    statements = [d.to_statement(local_schema, of_server.name) for d in definitions]
    for statement in statements:
        if not isinstance(statement, str):
            what = type(statement).__name__
            raise failure(f"to_statement must return a string, not {what}")
    return statements
