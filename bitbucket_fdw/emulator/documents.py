"""The JSON documents of Bitbucket Cloud, as its OpenAPI document describes them.

Each method builds one document from plain values. Nested objects come in their condensed form
(stated: REST introduction, "Condensed Versus Full Objects"); :meth:`Documents.user_reference` and
its like make those. Times are given as finished text, because their form differs by service.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from bitbucket_fdw.emulator.errors import Json

WEB = "https://bitbucket.org"

MERGE_STRATEGIES = [
    "merge_commit",
    "squash",
    "fast_forward",
    "squash_fast_forward",
    "rebase_fast_forward",
    "rebase_merge",
]


def rendered(raw: str) -> Json:
    """Text as typed, with its HTML."""
    html = f"<p>{escape(raw)}</p>" if raw else ""
    return {"type": "rendered", "raw": raw, "markup": "markdown", "html": html}


def segment(text: str) -> str:
    """One segment of an address."""
    return quote(text, safe="")


class Documents:
    """Builds documents.

    :param api: the address of the API, with ``/2.0``, at which their ``links`` start.
    :param committers: whether commits name their author as committer; without it they name nobody.
    """

    def __init__(self, api: str, committers: bool = False) -> None:
        self.api = api
        self._committers = committers

    def _href(self, path: str) -> Json:
        return {"href": f"{self.api}{path}"}

    def _web(self, path: str) -> Json:
        return {"href": f"{WEB}{path}"}

    # Accounts, workspaces and projects

    def user(self, nickname: str, display_name: str, uuid: str, account_id: str) -> Json:
        """A user in the condensed form that lists embed."""
        encoded = segment(uuid)
        return {
            "type": "user",
            "uuid": uuid,
            "display_name": display_name,
            "nickname": nickname,
            "account_id": account_id,
            "links": {
                "self": self._href(f"/users/{encoded}"),
                "html": self._web(f"/{encoded}/"),
                "avatar": self._web(f"/account/{encoded}/avatar/"),
            },
        }

    def workspace(self, slug: str, name: str, uuid: str, created_on: str, private: bool) -> Json:
        """A workspace in full."""
        return {
            "type": "workspace",
            "uuid": uuid,
            "name": name,
            "slug": slug,
            "is_private": private,
            "is_personal": False,
            "is_privacy_enforced": False,
            "forking_mode": "allow_forks",
            "created_on": created_on,
            "updated_on": created_on,
            "links": {
                "self": self._href(f"/workspaces/{slug}"),
                "html": self._web(f"/{slug}/"),
                "avatar": self._web(f"/workspaces/{slug}/avatar/"),
                "members": self._href(f"/workspaces/{slug}/members"),
                "projects": self._href(f"/workspaces/{slug}/projects"),
                "repositories": self._href(f"/repositories/{slug}"),
            },
        }

    def workspace_reference(self, workspace: Json) -> Json:
        """A workspace, condensed."""
        return {key: workspace[key] for key in ("type", "uuid", "name", "slug", "links")}

    def workspace_access(self, workspace: Json, administrator: bool) -> Json:
        """A row of ``/user/workspaces``: the nested workspace has no name."""
        links = {key: workspace["links"][key] for key in ("self", "avatar")}
        nested = {"type": "workspace_base", "uuid": workspace["uuid"], "slug": workspace["slug"]}
        return {
            "type": "workspace_access",
            "administrator": administrator,
            "workspace": {**nested, "links": links},
        }

    def membership(self, workspace: Json, user: Json) -> Json:
        """A member of a workspace."""
        path = f"/workspaces/{workspace['slug']}/members/{segment(user['uuid'])}"
        return {
            "type": "workspace_membership",
            "user": user,
            "workspace": self.workspace_reference(workspace),
            "links": {"self": self._href(path)},
        }

    def team_reference(self, workspace: Json) -> Json:
        """A workspace in its old guise of a team, the owner of repositories and projects."""
        return {
            "type": "team",
            "uuid": workspace["uuid"],
            "display_name": workspace["name"],
            "username": workspace["slug"],
            "links": {key: workspace["links"][key] for key in ("self", "html", "avatar")},
        }

    def project(self, workspace: Json, key: str, name: str, uuid: str, **more: Any) -> Json:
        """A project in full; ``more``: description, is_private, created_on, updated_on,
        has_publicly_visible_repos."""
        path = f"/workspaces/{workspace['slug']}/projects/{key}"
        return {
            "type": "project",
            "uuid": uuid,
            "key": key,
            "name": name,
            "owner": self.team_reference(workspace),
            "workspace": self.workspace_reference(workspace),
            **more,
            "links": {
                "self": self._href(path),
                "html": self._web(f"/{workspace['slug']}/workspace/projects/{key}"),
                "avatar": self._web(f"/account/user/{workspace['slug']}/projects/{key}/avatar/32"),
            },
        }

    def project_reference(self, project: Json) -> Json:
        """A project, condensed."""
        return {key: project[key] for key in ("type", "uuid", "key", "name", "links")}

    # Repositories and refs

    def repository(self, workspace: Json, slug: str, **more: Any) -> Json:
        """A repository in full; ``more`` are its other fields, in the order they are to have."""
        full_name = f"{workspace['slug']}/{slug}"
        path = f"/repositories/{full_name}"
        below = ("pullrequests", "commits", "forks", "watchers", "downloads", "hooks")
        links: Json = {name: self._href(f"{path}/{name}") for name in below}
        links["self"] = self._href(path)
        links["html"] = self._web(f"/{full_name}")
        links["branches"] = self._href(f"{path}/refs/branches")
        links["tags"] = self._href(f"{path}/refs/tags")
        links["clone"] = [
            {"name": "https", "href": f"{WEB}/{full_name}.git"},
            {"name": "ssh", "href": f"git@bitbucket.org:{full_name}.git"},
        ]
        if more.get("has_issues"):
            links["issues"] = self._href(f"{path}/issues")
        return {
            "type": "repository",
            "full_name": full_name,
            "slug": slug,
            **more,
            "owner": self.team_reference(workspace),
            "workspace": self.workspace_reference(workspace),
            "links": links,
        }

    def repository_reference(self, repository: Json) -> Json:
        """A repository, condensed."""
        links = {key: repository["links"][key] for key in ("self", "html")}
        kept = {key: repository[key] for key in ("type", "uuid", "full_name", "name")}
        return {**kept, "links": links}

    def _ref(self, kind: str, repository: Json, name: str, target: Json) -> Json:
        base, encoded = f"/repositories/{repository['full_name']}", quote(name)
        plural, web = ("branches", "branch") if kind == "branch" else ("tags", "commits/tag")
        return {
            "type": kind,
            "name": name,
            "target": target,
            "links": {
                "self": self._href(f"{base}/refs/{plural}/{encoded}"),
                "commits": self._href(f"{base}/commits/{encoded}"),
                "html": self._web(f"/{repository['full_name']}/{web}/{encoded}"),
            },
        }

    def branch(self, repository: Json, name: str, target: Json) -> Json:
        """A branch with the commit that it points to."""
        return {
            **self._ref("branch", repository, name, target),
            "merge_strategies": MERGE_STRATEGIES,
            "default_merge_strategy": "squash" if name.startswith("release/") else "merge_commit",
            "sync_strategies": ["merge_commit", "rebase"],
        }

    def tag(
        self, repository: Json, name: str, target: Json, message: str | None, **more: Any
    ) -> Json:
        """A tag; ``more``: date and tagger, null for a lightweight one."""
        return {**self._ref("tag", repository, name, target), "message": message, **more}

    def commit(
        self,
        repository: Json,
        digest: str,
        date: str,
        author: Json,
        message: str,
        parents: Sequence[str],
    ) -> Json:
        """A commit in full; ``repository`` is already condensed."""
        base, web = f"/repositories/{repository['full_name']}", f"/{repository['full_name']}"
        item = f"{base}/commit/{digest}"
        return {
            "type": "commit",
            "hash": digest,
            "date": date,
            "author": author,
            "committer": dict(author) if self._committers else {},
            "message": message,
            "summary": rendered(message),
            "parents": [
                self.commit_reference(repository["full_name"], parent) for parent in parents
            ],
            "repository": repository,
            "links": {
                "self": self._href(item),
                "html": self._web(f"{web}/commits/{digest}"),
                "diff": self._href(f"{base}/diff/{digest}"),
                "approve": self._href(f"{item}/approve"),
                "comments": self._href(f"{item}/comments"),
                "statuses": self._href(f"{item}/statuses"),
                "patch": self._href(f"{base}/patch/{digest}"),
            },
        }

    def commit_reference(self, full_name: str, digest: str) -> Json:
        """A commit, condensed; ``digest`` may be the 12 digits that pull requests show."""
        return {
            "type": "commit",
            "hash": digest,
            "links": {
                "self": self._href(f"/repositories/{full_name}/commit/{digest}"),
                "html": self._web(f"/{full_name}/commits/{digest}"),
            },
        }

    def merge_commit(self, full_name: str, commit: Json) -> Json:
        """The commit of a merge as pull requests show it: 12 digits of its hash, and its date."""
        shown = {"date": commit["date"], "author": commit["author"]}
        return {**self.commit_reference(full_name, commit["hash"][:12]), **shown}

    def author(self, raw: str, user: Json | None) -> Json:
        """Who wrote a commit: ``raw`` as git has it, and the account if there is one."""
        known = {} if user is None else {"user": user}
        return {"type": "author", "raw": raw, **known}

    def status(self, repository: Json, digest: str, key: str, **more: Any) -> Json:
        """A build status of a commit."""
        path = f"/repositories/{repository['full_name']}/commit/{digest}"
        return {
            "type": "build",
            "uuid": f"{{{uuid5(NAMESPACE_URL, f'{path}/{key}')}}}",
            "key": key,
            **more,
            "commit": self.commit_reference(repository["full_name"], digest),
            "repository": self.repository_reference(repository),
            "links": {
                "self": self._href(f"{path}/statuses/build/{segment(key)}"),
                "commit": self._href(path),
            },
        }

    def group(self, workspace: Json, slug: str, name: str) -> Json:
        """A group of a workspace's members."""
        return {
            "type": "group",
            "slug": slug,
            "full_slug": f"{workspace['slug']}:{slug}",
            "name": name,
            "workspace": self.workspace_reference(workspace),
            "owner": self.team_reference(workspace),
            "links": {"html": self._web(f"/{workspace['slug']}/workspace/settings/groups/{slug}")},
        }

    def explicit_permission(
        self, path: str, place: Json, kind: str, holder: Json, permission: str
    ) -> Json:
        """What an account or a group may do in a project or a repository by itself.

        :param path: the address of the project or repository, of which ``place`` is the document.
        :param kind: ``user`` or ``group``, which is what ``holder`` is.
        """
        condensed = self.project_reference if "key" in place else self.repository_reference
        key = holder["account_id"] if kind == "user" else holder["slug"]
        return {
            "type": f"{place['type']}_{kind}_permission",
            "permission": permission,
            kind: holder,
            place["type"]: condensed(place),
            "links": {"self": self._href(f"{path}/permissions-config/{kind}s/{segment(key)}")},
        }

    # Pull requests, issues and what is said on them

    def endpoint(self, repository: Json | None, branch: str, full_name: str, digest: str) -> Json:
        """One side of a pull request; the repository is null once the fork is gone."""
        return {
            "branch": {"name": branch},
            "commit": None if repository is None else self.commit_reference(full_name, digest[:12]),
            "repository": repository,
        }

    def pull_request(self, full_name: str, number: int, title: str, **more: Any) -> Json:
        """A pull request in full; ``more`` are its other fields."""
        base = f"/repositories/{full_name}/pullrequests/{number}"
        below = (
            "commits",
            "approve",
            "request-changes",
            "diff",
            "diffstat",
            "comments",
            "activity",
            "merge",
            "decline",
            "statuses",
        )
        links = {name: self._href(f"{base}/{name}") for name in below}
        links["self"] = self._href(base)
        links["html"] = self._web(f"/{full_name}/pull-requests/{number}")
        return {"type": "pullrequest", "id": number, "title": title, **more, "links": links}

    def pull_request_reference(self, document: Json) -> Json:
        """A pull request, condensed."""
        links = {key: document["links"][key] for key in ("self", "html")}
        kept = {key: document[key] for key in ("type", "id", "title", "draft")}
        return {**kept, "links": links}

    def participant(self, user: Json, role: str, state: str | None, on: str | None) -> Json:
        """A participant of a pull request."""
        return {
            "type": "participant",
            "user": user,
            "role": role,
            "approved": state == "approved",
            "state": state,
            "participated_on": on,
        }

    def comment(self, kind: str, path: str, number: int, raw: str, **more: Any) -> Json:
        """A comment.

        :param kind: ``pullrequest_comment``, ``commit_comment`` or ``issue_comment``.
        :param path: the address of what it is on.
        :param raw: its text.
        :param more: its other members.
        """
        return {
            "type": kind,
            "id": number,
            "content": rendered(raw),
            **more,
            "links": {
                "self": self._href(f"{path}/comments/{number}"),
                "html": self._web(f"{path.removeprefix('/repositories')}#comment-{number}"),
            },
        }

    def task(self, path: str, number: int, raw: str, **more: Any) -> Json:
        """A task of a pull request; it has no ``type``."""
        return {
            "id": number,
            "content": rendered(raw),
            **more,
            "links": {"self": self._href(f"{path}/tasks/{number}")},
        }

    def issue(self, repository: Json, number: int, title: str, **more: Any) -> Json:
        """An issue in full; ``repository`` is already condensed."""
        base = f"/repositories/{repository['full_name']}/issues/{number}"
        below = ("attachments", "comments", "watch", "vote")
        links = {name: self._href(f"{base}/{name}") for name in below}
        links["self"] = self._href(base)
        links["html"] = self._web(f"/{repository['full_name']}/issues/{number}")
        return {
            "type": "issue",
            "id": number,
            "repository": repository,
            "title": title,
            **more,
            "links": links,
        }

    def issue_reference(self, document: Json) -> Json:
        """An issue, condensed."""
        kept = {key: document[key] for key in ("type", "id", "title", "repository")}
        return {**kept, "links": {"self": document["links"]["self"]}}

    def tracker_item(self, kind: str, full_name: str, number: int, name: str) -> Json:
        """A component, milestone or version of an issue tracker."""
        path = f"/repositories/{full_name}/{kind}s/{number}"
        return {"type": kind, "id": number, "name": name, "links": {"self": self._href(path)}}

    # Pipelines and deployments

    def pipeline(self, repository: Json, uuid: str, number: int, **more: Any) -> Json:
        """A pipeline; ``repository`` is already condensed."""
        path = f"/repositories/{repository['full_name']}/pipelines/{segment(uuid)}"
        return {
            "type": "pipeline",
            "uuid": uuid,
            "build_number": number,
            "repository": repository,
            **more,
            "links": {
                "type": "pipelines_pipeline_links",
                "self": self._href(path),
                "steps": self._href(f"{path}/steps"),
            },
        }

    def download(self, repository: Json, name: str, **more: Any) -> Json:
        """A file in the repository's downloads."""
        path = f"/repositories/{repository['full_name']}/downloads/{segment(name)}"
        return {"type": "download", "name": name, **more, "links": {"self": self._href(path)}}

    def hook(self, repository: Json, uuid: str, **more: Any) -> Json:
        """A webhook."""
        path = f"/repositories/{repository['full_name']}/hooks/{segment(uuid)}"
        return {
            "type": "webhook_subscription",
            "uuid": uuid,
            "subject_type": "repository",
            "subject": self.repository_reference(repository),
            **more,
            "links": {"self": self._href(path)},
        }
