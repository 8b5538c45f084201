"""All endpoints for GET: the declared ones, and those whose functions are in these modules."""

from __future__ import annotations

from bitbucket_fdw.emulator.reads import (
    commits,
    pull_requests,
    repositories,
    workspaces,
)
from bitbucket_fdw.emulator.resources import ROUTES as DECLARED
from bitbucket_fdw.emulator.routes import Routes

ROUTES = Routes()
ROUTES.include([DECLARED])
ROUTES.include(module.routes for module in (workspaces, pull_requests, commits, repositories))
