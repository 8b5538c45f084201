"""What queries may cost: statements as analysts, grids and BI tools write them, and the requests.

A budget is what a fresh session on the emulator's sample workspace needs; fewer are welcome. Where
Multicorn2 needs more, since it hands over less, it has a figure of its own. Schema ``acme`` is the
whole workspace, of which each repository costs a request of its own, ``website`` one repository.
"""

from __future__ import annotations

from typing import NamedTuple


class Budget(NamedTuple):
    """A statement, and how many requests it may make.

    :param schema: what ``search_path`` is set to.
    :param multicorn2: the same on Multicorn2, where that is more.
    """

    name: str
    schema: str
    statement: str
    requests: int
    multicorn2: int | None = None

    def allowed(self, host: str) -> int:
        return self.requests if host == "bundled" or self.multicorn2 is None else self.multicorn2


BUDGETS = (
    # Counts.
    Budget("count everything", "website", "SELECT count(*) FROM pull_requests", 1),
    Budget(
        "count open ones", "website", "SELECT count(*) FROM pull_requests WHERE state = 'OPEN'", 1
    ),
    Budget(
        "count two states",
        "website",
        "SELECT count(*) FROM pull_requests WHERE state IN ('OPEN', 'MERGED')",
        1,
        3,
    ),
    Budget(
        "count a range of keys",
        "website",
        "SELECT count(*) FROM pull_requests WHERE id > 20",
        1,
        3,
    ),
    Budget(
        "count since a time",
        "website",
        "SELECT count(*) FROM pull_requests WHERE created_on >= '2020-01-01'",
        2,
        3,
    ),
    Budget(
        "count by state", "website", "SELECT state, count(*) FROM pull_requests GROUP BY state", 3
    ),
    Budget(
        "count with FILTER",
        "website",
        "SELECT count(*) FILTER (WHERE state = 'OPEN'), count(*) FROM pull_requests",
        3,
    ),
    Budget(
        "count what is not", "website", "SELECT count(*) FROM issues WHERE assignee_uuid IS NULL", 1
    ),
    Budget(
        "count distinct authors",
        "website",
        "SELECT count(DISTINCT author_uuid) FROM pull_requests",
        3,
    ),
    Budget(
        "three counts of one row",
        "website",
        "SELECT (SELECT count(*) FROM branches), (SELECT count(*) FROM tags), "
        "(SELECT count(*) FROM issues)",
        3,
    ),
    Budget(
        "count one repository of many",
        "acme",
        "SELECT count(*) FROM pull_requests WHERE repository = 'website'",
        1,
    ),
    Budget(
        "count two repositories of many",
        "acme",
        "SELECT repository, count(*) FROM branches "
        "WHERE repository IN ('website', 'design-system') GROUP BY 1",
        2,
    ),
    Budget("count all repositories", "acme", "SELECT count(*) FROM repositories", 1),
    Budget("count branches everywhere", "acme", "SELECT count(*) FROM branches", 10),
    Budget(
        "count branches by repository",
        "acme",
        "SELECT repository, count(*) FROM branches GROUP BY repository",
        10,
    ),
    # Keys.
    Budget("one by key", "website", "SELECT * FROM pull_requests WHERE id = 7", 1),
    Budget("three by key", "website", "SELECT id, title FROM issues WHERE id IN (1, 2, 3)", 1),
    Budget(
        "a list that is longer than the listing",
        "website",
        f"SELECT id, title FROM pull_requests WHERE id IN {tuple(range(100, 1100))}",
        4,
    ),
    Budget("one that is not there", "website", "SELECT * FROM issues WHERE id = 99999", 2),
    Budget(
        "one by two conditions",
        "website",
        "SELECT title FROM issues WHERE id = 3 AND state = 'new'",
        1,
    ),
    Budget("one by name", "website", "SELECT * FROM branches WHERE name = 'main'", 1),
    Budget(
        "one in a workspace",
        "acme",
        "SELECT title FROM pull_requests WHERE repository = 'website' AND id = 7",
        1,
    ),
    Budget("one repository", "acme", "SELECT * FROM repositories WHERE slug = 'website'", 1),
    Budget("a contradiction", "website", "SELECT * FROM issues WHERE id = 1 AND id = 2", 0),
    Budget("an empty list", "website", "SELECT * FROM issues WHERE id = ANY ('{}')", 0),
    Budget("no condition that holds", "website", "SELECT * FROM issues WHERE false", 0),
    # The first, the last, a page.
    Budget(
        "newest five",
        "website",
        "SELECT id, title FROM pull_requests ORDER BY created_on DESC LIMIT 5",
        1,
    ),
    Budget(
        "newest five open",
        "website",
        "SELECT id, title FROM pull_requests WHERE state = 'OPEN' ORDER BY created_on DESC LIMIT 5",
        1,
    ),
    Budget("any five", "website", "SELECT count(x.id) FROM (SELECT * FROM issues LIMIT 5) x", 1),
    Budget(
        "first page of a grid",
        "website",
        "SELECT * FROM pull_requests ORDER BY id LIMIT 50 OFFSET 0",
        1,
    ),
    Budget(
        "second page of a grid",
        "website",
        "SELECT id, title FROM pull_requests ORDER BY id LIMIT 20 OFFSET 20",
        1,
    ),
    Budget("the largest key", "website", "SELECT max(id) FROM issues", 1),
    Budget(
        "first and last time",
        "website",
        "SELECT min(created_on), max(created_on) FROM pull_requests",
        2,
    ),
    Budget(
        "is there any", "website", "SELECT EXISTS (SELECT 1 FROM issues WHERE state = 'open')", 1
    ),
    Budget("is there any at all", "acme", "SELECT 1 FROM repositories LIMIT 1", 1),
    Budget("columns of a table", "website", "SELECT * FROM pull_requests LIMIT 0", 0),
    Budget(
        "columns as BI tools ask",
        "website",
        "SELECT * FROM (SELECT * FROM pull_requests) probe WHERE 1 = 0",
        0,
    ),
    Budget(
        "top authors",
        "website",
        "SELECT author_display_name, count(*) FROM pull_requests GROUP BY 1 "
        "ORDER BY 2 DESC, 1 LIMIT 3",
        3,
    ),
    Budget(
        "latest of each author",
        "website",
        "SELECT DISTINCT ON (author_uuid) author_uuid, id FROM pull_requests "
        "ORDER BY author_uuid, created_on DESC, id",
        3,
    ),
    Budget(
        "ranked in a window",
        "website",
        "SELECT id, rank() OVER (PARTITION BY state ORDER BY created_on, id) FROM pull_requests",
        3,
    ),
    # Recent changes.
    Budget(
        "changed in a year",
        "website",
        "SELECT id FROM pull_requests WHERE updated_on >= now() - interval '1 year'",
        1,
    ),
    Budget(
        "changed since a day",
        "website",
        "SELECT id FROM issues WHERE updated_on > DATE '2025-06-01'",
        1,
    ),
    Budget(
        "a span of time",
        "website",
        "SELECT id FROM issues WHERE created_on BETWEEN '2024-01-01' AND '2024-12-31'",
        1,
    ),
    Budget(
        "after the end of time",
        "website",
        "SELECT id FROM issues WHERE created_on > '9999-01-01'",
        1,
    ),
    Budget(
        "a day by a cast",
        "website",
        "SELECT id FROM pull_requests WHERE created_on::date = '2025-01-15'",
        1,
        3,
    ),
    Budget(
        "a month of a zone",
        "website",
        "SELECT id FROM pull_requests WHERE "
        "date_trunc('month', created_on AT TIME ZONE 'America/New_York') = '2025-01-01'",
        1,
        3,
    ),
    Budget(
        "by month",
        "website",
        "SELECT date_trunc('month', created_on) AS month, count(*) FROM pull_requests "
        "GROUP BY 1 ORDER BY 1",
        3,
    ),
    Budget(
        "repositories by change",
        "acme",
        "SELECT slug, updated_on FROM repositories ORDER BY updated_on DESC LIMIT 5",
        1,
    ),
    Budget(
        "latest builds",
        "website",
        "SELECT build_number, state_name FROM pipelines ORDER BY created_on DESC LIMIT 5",
        1,
    ),
    Budget(
        "builds since a time",
        "website",
        "SELECT build_number FROM pipelines WHERE created_on >= '2020-01-01'",
        1,
    ),
    Budget(
        "failed builds",
        "website",
        "SELECT build_number FROM pipelines WHERE state_result_name = 'FAILED'",
        1,
    ),
    Budget(
        "how long builds take",
        "website",
        "SELECT target_ref_name, avg(duration_in_seconds) FROM pipelines GROUP BY 1",
        1,
    ),
    # Text.
    Budget(
        "a word in a title",
        "website",
        "SELECT id, title FROM pull_requests WHERE title ILIKE '%date%'",
        1,
    ),
    Budget(
        "a function of a column",
        "website",
        "SELECT id FROM pull_requests WHERE lower(title) LIKE '%date%'",
        1,
        3,
    ),
    Budget(
        "either of two values",
        "website",
        "SELECT id FROM pull_requests WHERE state = 'OPEN' OR state = 'DECLINED'",
        2,
        3,
    ),
    Budget(
        "a key or none",
        "website",
        "SELECT title FROM pull_requests WHERE id = 7 OR id IS NULL",
        1,
        3,
    ),
    Budget(
        "a key that is not distinct",
        "website",
        "SELECT title FROM pull_requests WHERE id IS NOT DISTINCT FROM 7",
        1,
        3,
    ),
    Budget(
        "either of two columns",
        "website",
        "SELECT id FROM issues WHERE state = 'new' OR priority = 'major'",
        1,
    ),
    Budget("anything but", "website", "SELECT id FROM issues WHERE state <> 'closed'", 1),
    Budget("names by pattern", "website", "SELECT name FROM branches WHERE name LIKE 'feat%'", 1),
    # Parents and children.
    Budget(
        "comments of one",
        "website",
        "SELECT * FROM pull_request_comments WHERE pull_request_id = 3",
        1,
    ),
    Budget(
        "comments of two",
        "website",
        "SELECT id FROM pull_request_comments WHERE pull_request_id IN (3, 4)",
        2,
    ),
    Budget(
        "a few comments of any",
        "website",
        "SELECT count(x.id) FROM (SELECT id FROM pull_request_comments LIMIT 2) x",
        7,  # pull requests without a comment come first
    ),
    Budget(
        "reviews of one",
        "website",
        "SELECT user_display_name, approved FROM pull_request_participants "
        "WHERE pull_request_id = 3",
        1,
    ),
    Budget(
        "reviews of all",
        "website",
        "SELECT pull_request_id, count(*) FILTER (WHERE approved) "
        "FROM pull_request_participants GROUP BY 1",
        3,
    ),
    Budget(
        "steps of one build",
        "website",
        "SELECT s.name FROM pipeline_steps s WHERE s.pipeline_uuid = "
        "(SELECT uuid FROM pipelines WHERE build_number = 7)",
        2,
    ),
    Budget(
        "issues of a repository",
        "acme",
        "SELECT id, title FROM issues WHERE repository = 'website' AND state = 'open'",
        1,
    ),
    # Joins.
    Budget(
        "pull requests and their branch",
        "website",
        "SELECT p.id, b.target_commit_hash FROM pull_requests p "
        "JOIN branches b ON b.name = p.source_branch_name WHERE p.state = 'OPEN'",
        2,
    ),
    Budget(
        "two and their comments",
        "website",
        "SELECT p.title, c.content_raw FROM pull_requests p "
        "JOIN pull_request_comments c ON c.pull_request_id = p.id WHERE p.id IN (1, 2)",
        3,
        154,
    ),
    Budget(
        "one and its comments",
        "website",
        "SELECT p.title, c.content_raw FROM pull_requests p "
        "LEFT JOIN pull_request_comments c ON c.pull_request_id = p.id WHERE p.id = 3",
        2,
    ),
    Budget(
        "builds and steps",
        "website",
        "SELECT p.build_number, s.name FROM pipelines p "
        "JOIN pipeline_steps s ON s.pipeline_uuid = p.uuid WHERE p.build_number IN (7, 8)",
        4,
        63,
    ),
    Budget(
        "with itself",
        "website",
        "SELECT a.id, b.id FROM pull_requests a JOIN pull_requests b "
        "ON b.author_uuid = a.author_uuid AND b.id > a.id",
        3,
    ),
    Budget(
        "projects and repositories",
        "acme",
        "SELECT p.name, count(*) FROM projects p "
        "JOIN repositories r ON r.project_key = p.key GROUP BY 1",
        2,
    ),
    Budget(
        "members and issues",
        "acme",
        "SELECT m.user_display_name, count(*) FROM workspace_members m JOIN issues i "
        "ON i.assignee_uuid = m.user_uuid WHERE i.repository = 'website' GROUP BY 1",
        2,
    ),
    Budget(
        "of two branches, by a list that is no key",
        "website",
        "SELECT p.id FROM (VALUES ('fix-3'), ('fix-7')) v(name) "
        "JOIN pull_requests p ON p.source_branch_name = v.name",
        1,
        4,
    ),
    Budget(
        "of two people, from another table",
        "acme",
        "SELECT m.user_nickname, p.repository, p.id FROM workspace_members m "
        "JOIN pull_requests p ON p.author_uuid = m.user_uuid "
        "WHERE m.user_nickname IN ('hana', 'goro') "
        "AND p.repository IN ('website', 'mobile-app')",
        3,
        7,
    ),
    Budget(
        "with a local list",
        "website",
        "SELECT i.title FROM (VALUES (1), (2), (3)) v(id) JOIN issues i ON i.id = v.id",
        1,
    ),
    Budget(
        "with twenty numbers",
        "website",
        "SELECT g, p.title FROM generate_series(1, 20) g JOIN pull_requests p ON p.id = g",
        1,
        3,
    ),
    # Semi-joins and correlated subqueries.
    Budget(
        "those with comments",
        "website",
        "SELECT id FROM issues i WHERE EXISTS "
        "(SELECT 1 FROM issue_comments c WHERE c.issue_id = i.id)",
        46,
    ),
    Budget(
        "those without",
        "website",
        "SELECT id FROM issues WHERE id NOT IN (SELECT issue_id FROM issue_comments)",
        46,
    ),
    Budget(
        "a name for each",
        "acme",
        "SELECT r.slug, (SELECT p.name FROM projects p WHERE p.key = r.project_key) "
        "FROM repositories r",
        4,
    ),
    Budget(
        "the title for each comment",
        "website",
        "SELECT c.id, (SELECT i.title FROM issues i WHERE i.id = c.issue_id) FROM issue_comments c",
        68,
    ),
    Budget(
        "count in a loop",
        "website",
        "SELECT g, n FROM generate_series(1, 9) g, LATERAL "
        "(SELECT count(*) AS n FROM tags WHERE length(name) > g) t",
        1,
    ),
    Budget(
        "the same table twice",
        "website",
        "SELECT id FROM issues WHERE state = 'new' UNION ALL "
        "SELECT id FROM issues WHERE state = 'new'",
        1,
    ),
    Budget(
        "above the average",
        "website",
        "SELECT build_number FROM pipelines WHERE duration_in_seconds > "
        "(SELECT avg(duration_in_seconds) FROM pipelines)",
        2,
    ),
    # As grids read and keep.
    Budget("rows as JSON", "website", "SELECT to_jsonb(t) FROM tags t", 1),
    Budget(
        "a list in one value", "acme", "SELECT array_agg(slug ORDER BY slug) FROM repositories", 1
    ),
)
