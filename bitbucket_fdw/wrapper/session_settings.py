"""What a session chooses for itself: ``SET bitbucket_fdw.write_mode = 'commit'``.

PostgreSQL keeps settings of any prefix, for the session, the transaction (``SET LOCAL``), a role or
a database, and takes them back with these. They come before the server's option of the same name,
so that a program, or the ``ConnSettings`` of a data source, can choose.
"""

from __future__ import annotations

from typing import Any

from .. import options
from ..errors import InvalidValue
from ..postgres.settings import setting

PREFIX = "bitbucket_fdw"


def chosen(name: str, otherwise: Any) -> Any:
    """The session's value of an option, ``otherwise`` if it has set none.

    Raises :class:`InvalidValue` for a value that the option does not take.
    """
    full = f"{PREFIX}.{name}"
    # After RESET, and once SET LOCAL is over, such a setting is empty.
    value = setting(full).strip().lower()
    if not value:
        return otherwise
    try:
        return options.read(name, value)
    except ValueError as error:
        raise InvalidValue(
            f'invalid value "{value}" for the setting {full}: it {error}', hint=f"RESET {full}."
        ) from None
