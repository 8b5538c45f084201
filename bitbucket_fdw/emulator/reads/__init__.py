"""The reading side: handlers for GET, one module per family."""

from __future__ import annotations

from bitbucket_fdw.emulator.reads import (
    commits,
    issues,
    pipelines,
    pull_requests,
    repositories,
    workspaces,
)
from bitbucket_fdw.emulator.routes import Routes

ROUTES = Routes()
ROUTES.include(
    module.routes
    for module in (workspaces, pull_requests, issues, pipelines, commits, repositories)
)
