"""Bitbucket Cloud as PostgreSQL foreign tables, on Multicorn2."""

__version__ = "0.2.0"
