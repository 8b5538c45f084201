-- The second half of the tour: changes. On the sample workspace only; your own is not written to.

-- INSERT opens an issue. What Bitbucket fills in comes back with RETURNING.
INSERT INTO :repository.issues (title, content_raw, kind, priority)
VALUES ('Tour: the logo is blurred', 'Seen on **retina** displays.', 'bug', 'minor')
RETURNING id, state, reporter_nickname AS reporter, created_on;

-- UPDATE sends the changed columns only.
UPDATE :repository.issues
SET state = 'resolved'
WHERE id = (SELECT max(id) FROM :repository.issues WHERE title = 'Tour: the logo is blurred')
RETURNING id, title, state;

-- A branch for the next step, at a commit that is not in main yet: the source of an open pull
-- request, each time that of another.
INSERT INTO :repository.branches (name, target_commit_hash)
SELECT 'tour/' || to_char(clock_timestamp(), 'YYYYMMDD-HH24MISS'), source_commit_hash
FROM :repository.pull_requests
WHERE state = 'OPEN'
ORDER BY id
LIMIT 1
OFFSET (SELECT count(*) FROM :repository.pull_requests WHERE title = 'Tour: sharpen the logo')
RETURNING name, left(target_commit_hash, 12) AS target;

-- A pull request from that branch.
INSERT INTO :repository.pull_requests (title, source_branch_name, close_source_branch)
SELECT 'Tour: sharpen the logo', max(name), true
FROM :repository.branches
WHERE name LIKE 'tour/%'
RETURNING id, state, source_branch_name AS source, destination_branch_name AS destination;

-- Setting its state merges it.
UPDATE :repository.pull_requests
SET state = 'MERGED', merge_message = 'Merged with SQL'
WHERE state = 'OPEN' AND title = 'Tour: sharpen the logo'
RETURNING id, state, merge_commit_hash, closed_by_nickname AS closed_by;
