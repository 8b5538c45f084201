\echo Use "CREATE EXTENSION bitbucket_fdw CASCADE" to load this file. \quit

-- An update keeps the schemas that are there, with what was granted on them and revoked.

CREATE SCHEMA bitbucket;
GRANT USAGE ON SCHEMA bitbucket TO PUBLIC;
CREATE SCHEMA bitbucket_private;
-- Its functions run with the rights of their callers.
GRANT USAGE ON SCHEMA bitbucket_private TO PUBLIC;
