"""The writing side: handlers for POST, PUT and DELETE, one module per family."""

from __future__ import annotations

from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.writes import (
    branch_restrictions,
    branching_models,
    comments,
    commits,
    default_reviewers,
    environments,
    issues,
    permissions,
    pull_requests,
    repositories,
)

ROUTES = Routes()
ROUTES.include(
    module.routes
    for module in (
        *(pull_requests, comments, issues, commits, repositories),
        *(branch_restrictions, branching_models, default_reviewers, environments, permissions),
    )
)
