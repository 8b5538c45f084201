"""The table of all options: where each may stand, how its value is read, what it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .values import (
    absolute_path,
    base_url,
    boolean,
    email,
    false,
    key,
    one_of,
    password,
    proxy,
    references,
    seconds,
    secret,
    slug,
    text,
    username,
    whole,
    words,
)

SERVER = "server"
TABLE = "foreign table"
MAPPING = "user mapping"
COLUMN = "column"
IMPORT = "IMPORT FOREIGN SCHEMA"

# Names of the levels as hosts and SQL commands spell them.
LEVELS = {
    "server": SERVER,
    "table": TABLE,
    "foreign_table": TABLE,
    "user_mapping": MAPPING,
    "column": COLUMN,
    "attribute": COLUMN,
    "import": IMPORT,
}


class Option(NamedTuple):
    """One option: its name, where it may stand, how it is read, and what it is for."""

    name: str
    level: str
    parse: Callable[[str], Any]
    help: str
    default: str | None = None
    secret: bool = False
    also: str | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels it may stand at."""
        return (self.level, self.also) if self.also else (self.level,)


OPTIONS: tuple[Option, ...] = (
    Option(
        "base_url",
        SERVER,
        base_url,
        "Address of the API; http:// is refused except for loopback addresses",
        "https://api.bitbucket.org/2.0",
    ),
    Option(
        "timeout",
        SERVER,
        seconds,
        "Seconds to wait for a connection, and for each part of an answer",
        "30",
    ),
    Option("retry_limit", SERVER, whole(0, 20), "How often a request is repeated", "5"),
    Option(
        "on_rate_limit",
        SERVER,
        one_of("error", "wait"),
        "What to do when the hourly limit of requests is used up and Bitbucket does not say for "
        "how long: give up after a short pause, or wait, up to an hour",
        "error",
    ),
    Option(
        "rate_limit",
        SERVER,
        whole(0, 1_000_000),
        "Requests an hour that Bitbucket answers a credential, where that is known: then a scan "
        "that is known ahead to take more than all sessions have left is refused, or waits as "
        "on_rate_limit says; 0 for not known",
        "0",
    ),
    Option(
        "max_requests",
        SERVER,
        whole(1, 1_000_000),
        "Requests that one scan of one table may take",
        "1000",
    ),
    Option(
        "preview_requests",
        SERVER,
        whole(0, 1_000_000),
        "Requests that one scan may take under a LIMIT, or without one if no condition chooses "
        "among the parents of a table's rows and it is known ahead to take more; 0 for as many as "
        "max_requests; a server's wins over a table's",
        "200",
        also=TABLE,
    ),
    Option(
        "max_answer_size",
        SERVER,
        whole(1, 1024),
        "Size of one answer, MiB once it is decoded",
        "16",
    ),
    Option(
        "max_text_size",
        SERVER,
        whole(1, 262_144),
        "Size of one text, such as a log, that a row shows, KiB; what is longer is cut short with "
        "a warning",
        "1024",
    ),
    Option(
        "max_answer_time",
        SERVER,
        seconds,
        "Seconds from a request to the end of its answer, however steadily it comes",
        "120",
    ),
    Option("concurrency", SERVER, whole(1, 64), "Requests under way at a time", "8"),
    Option(
        "max_concurrency",
        SERVER,
        whole(0, 64),
        "Requests under way at a time in all sessions together that sign in with one credential; "
        "0 for no bound",
        "0",
    ),
    Option(
        "cache_ttl",
        SERVER,
        whole(0, 86_400),
        "Seconds that answers are kept, on disk and for all sessions; 0 for not at all",
        "0",
    ),
    Option(
        "use_remote_estimate",
        SERVER,
        boolean,
        "Asks for the size of a listing that is not known before a join or a subquery is planned: "
        "at most one request for each listing and session, and none for EXPLAIN without ANALYZE; "
        "a server's wins over a table's",
        "false",
        also=TABLE,
    ),
    Option(
        "log_requests",
        SERVER,
        one_of("off", "errors", "all"),
        "Which requests are written to PostgreSQL's log: none, those that failed or were repeated, "
        "or all",
        "off",
    ),
    Option(
        "progress",
        SERVER,
        whole(0, 3600),
        "Seconds after which a statement says by a NOTICE how far it is, and again each time twice "
        "as many have passed; 0 for never",
        "0",
    ),
    Option(
        "ca_bundle",
        SERVER,
        absolute_path,
        "PEM file of the certificate authorities to trust instead of the built-in ones, such as "
        "/etc/ssl/certs/ca-certificates.crt",
    ),
    Option("proxy", SERVER, proxy, "Address of an HTTP proxy for https"),
    Option(
        "oauth_url",
        SERVER,
        base_url,
        "Address of OAuth 2's authorize and access_token",
        "https://bitbucket.org/site/oauth2",
    ),
    Option(
        "oauth1_url",
        SERVER,
        base_url,
        "Address of OAuth 1's request_token, authenticate and access_token",
        "https://bitbucket.org/api/1.0/oauth",
    ),
    Option(
        "shared_secrets",
        SERVER,
        references,
        "Secrets of the server that every user mapping may refer to, whoever wrote it",
    ),
    Option(
        "updatable",
        SERVER,
        false,
        "Forbids INSERT, UPDATE and DELETE; on a server, for all of its tables",
        also=TABLE,
    ),
    Option(
        "write_mode",
        SERVER,
        one_of("immediate", "commit"),
        "When changes are sent: as the statement makes them, or all at COMMIT",
        "immediate",
    ),
    Option(
        "on_rollback",
        SERVER,
        one_of("warn", "undo"),
        "What a rollback does about changes that were sent: tell them, or take them back as far "
        "as Bitbucket can",
        "warn",
    ),
    Option(
        "on_denied",
        SERVER,
        one_of("skip", "error"),
        "What a table that spans repositories does about one that is there and refuses (403, 404): "
        "leave it out with a warning, or fail; one that is not there, or not visible, has no rows "
        "either way; a server's wins over a table's",
        "skip",
        also=TABLE,
    ),
    Option(
        "drafts",
        SERVER,
        one_of("shown"),
        "Shows comments and tasks that are not published yet, the credential owner's own; without "
        "it they are left out",
        also=TABLE,
    ),
    Option(
        "task_timeout",
        SERVER,
        seconds,
        "Seconds to wait for what Bitbucket finishes later, such as a merge",
        "300",
    ),
    Option("table", TABLE, text, "The Bitbucket table it shows, such as pull_requests"),
    Option(
        "service",
        TABLE,
        text,
        "Instead of table: what the functions of schema bitbucket make temporary tables for",
    ),
    Option("workspace", TABLE, slug, "Slug of the one workspace it is bound to"),
    Option(
        "project",
        TABLE,
        key,
        "Key of the one project it is bound to; at import, makes the tables of this project only",
        also=IMPORT,
    ),
    Option("repository", TABLE, slug, "Slug of the one repository it is bound to"),
    Option(
        "column_name", COLUMN, text, "The Bitbucket column it shows, if its own name is another"
    ),
    Option(
        "label",
        COLUMN,
        text,
        "Its name in the results of a client's statements, capitals and all; used by the bundled "
        "host where multicorn.column_labels is on",
    ),
    Option(
        "auth",
        MAPPING,
        one_of(
            "none",
            "api_token",
            "access_token",
            "basic",
            "oauth2_client",
            "oauth2_code",
            "oauth2_token",
            "oauth1",
        ),
        "How to sign in; may be left out where the other options make it plain",
    ),
    Option("email", MAPPING, email, "E-mail address of the Atlassian account (api_token)"),
    Option(
        "token",
        MAPPING,
        secret,
        "API token, access token, or token of OAuth 1",
        secret=True,
    ),
    Option("token_secret", MAPPING, secret, "Secret of the OAuth 1 token", secret=True),
    Option("username", MAPPING, username, "User name (basic)"),
    Option("password", MAPPING, password, "Password (basic)", secret=True),
    Option("client_id", MAPPING, secret, "Key of the OAuth consumer (OAuth 2)"),
    Option("client_secret", MAPPING, secret, "Secret of the OAuth consumer (OAuth 2)", secret=True),
    Option(
        "refresh_token",
        MAPPING,
        secret,
        "Refresh token obtained elsewhere (oauth2_code); only used until it is renewed",
        secret=True,
    ),
    Option("consumer_key", MAPPING, secret, "Key of the OAuth consumer (OAuth 1)"),
    Option(
        "consumer_secret", MAPPING, secret, "Secret of the OAuth consumer (OAuth 1)", secret=True
    ),
    Option(
        "login",
        MAPPING,
        secret,
        "Name of a login's tokens in the server's token store; a login sets it",
        secret=True,
    ),
    Option(
        "names",
        IMPORT,
        one_of("snake", "flat", "cdata"),
        "Names with underscores, or without, as CData's driver has them; cdata also labels columns "
        "with that driver's capitals, and parts tables as its schemas do",
        "snake",
    ),
    Option(
        "issues",
        IMPORT,
        one_of("auto", "always", "never"),
        "Whether to import the issue tables: if there is a tracker, always, or never",
        "auto",
    ),
    Option(
        "families",
        IMPORT,
        words,
        "Imports only tables of these families, such as code,pipelines; without it, all. "
        "bitbucket.tables has the family of each table",
    ),
)


BY_NAME = {option.name: option for option in OPTIONS}
