"""The foreign tables, one class each. Adding a table is a class here and a line in ``TABLES``."""

from .commit_comments import CommitComments
from .commit_statuses import CommitStatuses
from .commits import Commits, DefaultBranchCommits
from .deployments import Deployments, Environments
from .issues import IssueComments, Issues
from .pipelines import Pipelines, PipelineSteps
from .projects import Projects
from .pull_request_activity import PullRequestActivity
from .pull_request_participants import PullRequestParticipants
from .pull_request_tasks import PullRequestTasks
from .pull_requests import PullRequestComments, PullRequests
from .refs import Branches, Tags
from .repositories import Repositories
from .table import Table
from .workspaces import WorkspaceMembers, Workspaces

TABLES: tuple[type[Table], ...] = (
    Workspaces,
    WorkspaceMembers,
    Projects,
    Repositories,
    Branches,
    Tags,
    Commits,
    DefaultBranchCommits,
    CommitComments,
    CommitStatuses,
    PullRequests,
    PullRequestComments,
    PullRequestTasks,
    PullRequestParticipants,
    PullRequestActivity,
    Issues,
    IssueComments,
    Pipelines,
    PipelineSteps,
    Deployments,
    Environments,
)

BY_NAME: dict[str, type[Table]] = {table.name: table for table in TABLES}

PLACES: tuple[type[Table], type[Table]] = (Workspaces, Repositories)
"""The tables whose rows are the workspaces and repositories that options name.

Their order is that of the path parameters in ``SLUGS``.
"""

__all__ = ["BY_NAME", "PLACES", "TABLES", "Table"]
