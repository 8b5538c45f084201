"""The resources of the API that are declared, one module per family.

Every module here is found by itself: it lists its declarations in ``RESOURCES``, each after those
that its sample data are made from.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from bitbucket_fdw.emulator.resource import NEEDS_SLASH, Resource
from bitbucket_fdw.emulator.routes import Routes

RESOURCES: tuple[Resource, ...] = tuple(
    resource
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__))
    for resource in import_module(f"{__name__}.{module}").RESOURCES
)

ROUTES = Routes()
for _resource in RESOURCES:
    _resource.declare(ROUTES)

# Kinds of faults that choose between forms where it is not established which one is Bitbucket's.
WAYS = (NEEDS_SLASH, *sorted({way for resource in RESOURCES for way in resource.ways}))
