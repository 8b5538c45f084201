"""The declared resources, one module per family.

Every module here is found by itself. It lists its declarations in ``RESOURCES``. A declaration
stands after those that its sample data need. Who may do what comes first of all.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from bitbucket_fdw.emulator.levels import PIPELINES_OFF
from bitbucket_fdw.emulator.resource import NEEDS_SLASH, Resource
from bitbucket_fdw.emulator.resources import reviews
from bitbucket_fdw.emulator.routes import Routes

_MODULES = sorted(
    (found.name for found in pkgutil.iter_modules(__path__)),
    key=lambda name: (name != "permissions", name),
)

RESOURCES: tuple[Resource, ...] = tuple(
    resource for module in _MODULES for resource in import_module(f"{__name__}.{module}").RESOURCES
)

ROUTES = Routes()
for _resource in RESOURCES:
    _resource.declare(ROUTES)

# The kinds of faults that choose another form of what is disputed, each with what it means.
WAYS: dict[str, str] = {
    NEEDS_SLASH: "Answer 404 for a collection of the pipelines service without a slash at the end.",
    PIPELINES_OFF: "Answer 404 for all that Pipelines made, as where a repository has it not.",
    **reviews.WAYS,
    **{kind: way.meaning for resource in RESOURCES for kind, way in resource.ways.items()},
}
