-- The tour of script/demo. Each paragraph is one stop: a comment that says what to look at, and
-- one statement. ":workspace." and ":repository." stand for the imported schemas.

-- Repositories are rows. A count with nothing to filter costs one small request.
SELECT count(*) FROM :workspace.repositories;

-- Only the columns that a query needs are asked for.
SELECT slug, language, is_private, updated_on::date
FROM :workspace.repositories
ORDER BY updated_on DESC
LIMIT 5;

-- Conditions travel to Bitbucket: the open pull requests, not all of them.
SELECT id, left(title, 40) AS title, author_nickname AS author, source_branch_name AS source
FROM :repository.pull_requests
WHERE state = 'OPEN'
ORDER BY id DESC
LIMIT 5;

-- A key fetches the one item.
SELECT id, state, left(title, 40) AS title, created_on
FROM :repository.pull_requests
WHERE id = 1;

-- LIMIT without ORDER BY stops after the first page.
SELECT left(hash, 12) AS hash, date, split_part(message, E'\n', 1) AS message
FROM :repository.commits
LIMIT 5;

-- PostgreSQL does the rest: joins, aggregates, window functions.
SELECT author_display_name AS author, count(*) AS opened,
       count(*) FILTER (WHERE state = 'MERGED') AS merged
FROM :repository.pull_requests
WHERE created_on >= now() - interval '10 years'
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT 5;

-- EXPLAIN says what will be asked of Bitbucket, and what stays with PostgreSQL.
EXPLAIN (VERBOSE, COSTS OFF)
SELECT id, title
FROM :repository.pull_requests
WHERE state = 'OPEN' AND title ILIKE '%date%' AND length(title) < 60;
