-- Functions run with the rights of whoever calls them and under a fixed search path. What is for use
-- in these scripts only is in a schema of its own, so that \df bitbucket.* shows what is for users.
-- It may change with any version.

COMMENT ON SCHEMA bitbucket IS 'Bitbucket Cloud: importing schemas, and what can be imported';
COMMENT ON SCHEMA bitbucket_private IS
    'What the functions of schema bitbucket are made of; may change with any version';


-- What can be imported

-- The rows come from the Python package at run time. If a new version of the package has more
-- tables, this extension need not change. No request is made, so that no user mapping is needed.

CREATE SERVER bitbucket_catalog FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'bitbucket_fdw.wrapper.CatalogFdw');
COMMENT ON SERVER bitbucket_catalog IS 'The table declarations of bitbucket_fdw; no connection';

CREATE FOREIGN TABLE bitbucket.tables (
    name text,
    flat_name text,
    level text,
    family text,
    description text,
    endpoint text,
    item_endpoints text[],
    classic_scopes text[],
    granular_scopes text[],
    primary_key text[],
    filter_columns text[],
    sort_columns text[],
    item_keys text[],
    writes text[],
    needs_issue_tracker boolean,
    removed text,
    label text,
    below_project boolean
) SERVER bitbucket_catalog OPTIONS (table 'tables');

COMMENT ON FOREIGN TABLE bitbucket.tables IS 'The foreign tables that can be imported';
COMMENT ON COLUMN bitbucket.tables.name IS 'Name, and value of the table option "table"';
COMMENT ON COLUMN bitbucket.tables.flat_name IS 'Name under names ''flat'' and ''cdata''';
COMMENT ON COLUMN bitbucket.tables.level IS
    'workspace: in schemas of workspaces only; repository: in those of repositories, too';
COMMENT ON COLUMN bitbucket.tables.family IS
    'What it is about: imports can be kept to some families';
COMMENT ON COLUMN bitbucket.tables.description IS 'What its rows are';
COMMENT ON COLUMN bitbucket.tables.endpoint IS 'Where its rows are listed';
COMMENT ON COLUMN bitbucket.tables.item_endpoints IS 'Where a single row is read';
COMMENT ON COLUMN bitbucket.tables.classic_scopes IS 'Scopes a credential needs, old names';
COMMENT ON COLUMN bitbucket.tables.granular_scopes IS 'Scopes a credential needs, new names';
COMMENT ON COLUMN bitbucket.tables.primary_key IS 'Columns that identify a row';
COMMENT ON COLUMN bitbucket.tables.filter_columns IS
    'Columns whose conditions Bitbucket applies; bitbucket.columns has the operators';
COMMENT ON COLUMN bitbucket.tables.sort_columns IS 'Columns by which Bitbucket can sort';
COMMENT ON COLUMN bitbucket.tables.item_keys IS
    'Columns that, with those of the endpoint''s path, read a single row';
COMMENT ON COLUMN bitbucket.tables.writes IS 'Statements that change rows, besides SELECT';
COMMENT ON COLUMN bitbucket.tables.needs_issue_tracker IS
    'Imported by default only where there is an issue tracker';
COMMENT ON COLUMN bitbucket.tables.removed IS 'What happened to an endpoint that was taken away';
COMMENT ON COLUMN bitbucket.tables.label IS 'Name as CData''s driver writes it';
COMMENT ON COLUMN bitbucket.tables.below_project IS
    'Its rows belong to projects: in schemas of projects, too';

CREATE FOREIGN TABLE bitbucket.columns (
    table_name text,
    position integer,
    name text,
    flat_name text,
    type text,
    description text,
    operators text[],
    sortable boolean,
    request_per_row boolean,
    required boolean,
    nullable boolean,
    writes text[],
    label text,
    referenced_table text,
    referenced_column text
) SERVER bitbucket_catalog OPTIONS (table 'columns');

COMMENT ON FOREIGN TABLE bitbucket.columns IS 'The columns of bitbucket.tables';
COMMENT ON COLUMN bitbucket.columns.table_name IS 'Name of the table, without names ''flat''';
COMMENT ON COLUMN bitbucket.columns.position IS 'Place in the table, from 1';
COMMENT ON COLUMN bitbucket.columns.name IS 'Name, and value of the column option "column_name"';
COMMENT ON COLUMN bitbucket.columns.flat_name IS 'Name under names ''flat'' and ''cdata''';
COMMENT ON COLUMN bitbucket.columns.type IS 'PostgreSQL type';
COMMENT ON COLUMN bitbucket.columns.description IS 'What it holds';
COMMENT ON COLUMN bitbucket.columns.operators IS 'Operators whose conditions Bitbucket applies';
COMMENT ON COLUMN bitbucket.columns.sortable IS 'Bitbucket can sort by it';
COMMENT ON COLUMN bitbucket.columns.request_per_row IS
    'Not in listings: reading it takes a request for each row';
COMMENT ON COLUMN bitbucket.columns.required IS
    'A query has to say which values it wants: =, IN or a join';
COMMENT ON COLUMN bitbucket.columns.nullable IS 'Rows may have no value of it';
COMMENT ON COLUMN bitbucket.columns.writes IS 'Statements that can set it: INSERT, UPDATE';
COMMENT ON COLUMN bitbucket.columns.label IS
    'Name as CData''s driver writes it, and column option "label" under names ''cdata''';
COMMENT ON COLUMN bitbucket.columns.referenced_table IS
    'The table above, to one of whose rows the row belongs';
COMMENT ON COLUMN bitbucket.columns.referenced_column IS 'The column there that has the same value';


-- What the session has asked

-- It is read from the memory of the backend. Nobody sees the requests of another session.
CREATE FOREIGN TABLE bitbucket.requests (
    made_at timestamptz,
    table_name text,
    method text,
    path text,
    query text,
    status integer,
    bytes bigint,
    milliseconds bigint,
    cached boolean,
    retries integer,
    error text
) SERVER bitbucket_catalog OPTIONS (table 'requests');

COMMENT ON FOREIGN TABLE bitbucket.requests IS
    'The last requests that this session has made for the current user, the oldest first';
COMMENT ON COLUMN bitbucket.requests.made_at IS 'When it began';
COMMENT ON COLUMN bitbucket.requests.table_name IS
    'What it was made for: see bitbucket.tables; or a function, or import';
COMMENT ON COLUMN bitbucket.requests.method IS 'GET, POST, PUT or DELETE';
COMMENT ON COLUMN bitbucket.requests.path IS 'Path below the server''s base_url';
COMMENT ON COLUMN bitbucket.requests.query IS 'Query as it was sent, encoded';
COMMENT ON COLUMN bitbucket.requests.status IS
    'HTTP status of the last answer; NULL if there was none';
COMMENT ON COLUMN bitbucket.requests.bytes IS 'Bytes of the answers, decoded';
COMMENT ON COLUMN bitbucket.requests.milliseconds IS
    'How long it took, with all repetitions and the pauses between them';
COMMENT ON COLUMN bitbucket.requests.cached IS
    'The answer is one that was kept by server option cache_ttl, and nothing was sent';
COMMENT ON COLUMN bitbucket.requests.retries IS 'How often it was made again';
COMMENT ON COLUMN bitbucket.requests.error IS 'Why there was no good answer in the end';


-- One row about the transaction that reads it. PostgreSQL has no SQL function that tells this.
CREATE FOREIGN TABLE bitbucket_private.transaction (in_block boolean)
    SERVER bitbucket_catalog OPTIONS (table 'transaction');
COMMENT ON FOREIGN TABLE bitbucket_private.transaction IS
    'Whether the client has begun a transaction block';

GRANT SELECT ON bitbucket.tables, bitbucket.columns, bitbucket.requests,
    bitbucket_private.transaction TO PUBLIC;
