\echo Use "CREATE EXTENSION bitbucket_fdw CASCADE" to load this file. \quit

-- Functions run with the rights of whoever calls them and under a fixed search path. Names that
-- start with an underscore are for the others here, and may change with any version.

CREATE SCHEMA bitbucket;
COMMENT ON SCHEMA bitbucket IS 'Bitbucket Cloud: importing schemas, and what can be imported';
GRANT USAGE ON SCHEMA bitbucket TO PUBLIC;


-- What can be imported

-- The rows come from the Python package at run time: a new version of it that has more tables
-- needs no new version of this extension. No request is made, so that no user mapping is needed.

CREATE SERVER bitbucket_catalog FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'bitbucket_fdw.wrapper.CatalogFdw');
COMMENT ON SERVER bitbucket_catalog IS 'The table declarations of bitbucket_fdw; no connection';

CREATE FOREIGN TABLE bitbucket.tables (
    name text,
    flat_name text,
    level text,
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
    removed text
) SERVER bitbucket_catalog OPTIONS (table 'tables');

COMMENT ON FOREIGN TABLE bitbucket.tables IS 'The foreign tables that can be imported';
COMMENT ON COLUMN bitbucket.tables.name IS 'Name, and value of the table option "table"';
COMMENT ON COLUMN bitbucket.tables.flat_name IS 'Name under names ''flat''';
COMMENT ON COLUMN bitbucket.tables.level IS
    'workspace: in schemas of workspaces only; repository: in those of repositories, too';
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
    writes text[]
) SERVER bitbucket_catalog OPTIONS (table 'columns');

COMMENT ON FOREIGN TABLE bitbucket.columns IS 'The columns of bitbucket.tables';
COMMENT ON COLUMN bitbucket.columns.table_name IS 'Name of the table, without names ''flat''';
COMMENT ON COLUMN bitbucket.columns.position IS 'Place in the table, from 1';
COMMENT ON COLUMN bitbucket.columns.name IS 'Name, and value of the column option "column_name"';
COMMENT ON COLUMN bitbucket.columns.flat_name IS 'Name under names ''flat''';
COMMENT ON COLUMN bitbucket.columns.type IS 'PostgreSQL type';
COMMENT ON COLUMN bitbucket.columns.description IS 'What it holds';
COMMENT ON COLUMN bitbucket.columns.operators IS 'Operators whose conditions Bitbucket applies';
COMMENT ON COLUMN bitbucket.columns.sortable IS 'Bitbucket can sort by it';
COMMENT ON COLUMN bitbucket.columns.request_per_row IS
    'Not in listings: reading it takes a request for each row';
COMMENT ON COLUMN bitbucket.columns.writes IS 'Statements that can set it: INSERT, UPDATE';

GRANT SELECT ON bitbucket.tables, bitbucket.columns TO PUBLIC;
-- What has been imported

-- Read from the options of the foreign tables themselves: there is no record beside them that
-- could go stale, be lost in a dump or stand in the way of ALTER, DROP and RENAME.

CREATE VIEW bitbucket.imported_tables AS
SELECT s.srvname AS server,
       lower(o.workspace COLLATE "C") AS workspace,
       lower(o.repository COLLATE "C") AS repository,
       n.nspname AS schema,
       c.relname AS name,
       o."table" AS table_name,
       CASE WHEN o."table" LIKE '%\_%' THEN
            CASE c.relname WHEN o."table" THEN 'snake'
                           WHEN replace(o."table", '_', '') THEN 'flat' END
       END AS names,
       t.ftrelid::regclass AS relation
FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_class c ON c.oid = t.ftrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
CROSS JOIN LATERAL (
    SELECT max(option_value) FILTER (WHERE option_name = 'workspace') AS workspace,
           max(option_value) FILTER (WHERE option_name = 'repository') AS repository,
           max(option_value) FILTER (WHERE option_name = 'table') AS "table"
    FROM pg_options_to_table(t.ftoptions)
) o
WHERE 'wrapper=bitbucket_fdw.wrapper.BitbucketFdw' = ANY (s.srvoptions)
  AND o.workspace IS NOT NULL
  AND c.relpersistence <> 't';

COMMENT ON VIEW bitbucket.imported_tables IS
    'Foreign tables of this database that show a workspace or a repository';
COMMENT ON COLUMN bitbucket.imported_tables.server IS 'Foreign server';
COMMENT ON COLUMN bitbucket.imported_tables.workspace IS
    'Workspace slug, in lower case';
COMMENT ON COLUMN bitbucket.imported_tables.repository IS
    'Repository slug, in lower case; NULL where the table spans the workspace';
COMMENT ON COLUMN bitbucket.imported_tables.schema IS 'Schema the table is in';
COMMENT ON COLUMN bitbucket.imported_tables.name IS 'Name of the table';
COMMENT ON COLUMN bitbucket.imported_tables.table_name IS 'What it shows: see bitbucket.tables';
COMMENT ON COLUMN bitbucket.imported_tables.names IS
    'snake or flat; NULL where the name does not tell';
COMMENT ON COLUMN bitbucket.imported_tables.relation IS 'The table itself';
GRANT SELECT ON bitbucket.imported_tables TO PUBLIC;

CREATE VIEW bitbucket._shown_columns AS
SELECT t.relation, a.attnum AS number, a.attname AS name,
       coalesce((SELECT o.option_value FROM pg_options_to_table(a.attfdwoptions) o
                 WHERE o.option_name = 'column_name'), a.attname) AS shown
FROM bitbucket.imported_tables t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.relation
WHERE a.attnum > 0 AND NOT a.attisdropped;
COMMENT ON VIEW bitbucket._shown_columns IS
    'Columns of imported tables, and which of bitbucket.columns each of them shows';
GRANT SELECT ON bitbucket._shown_columns TO PUBLIC;
-- Names

CREATE FUNCTION bitbucket.schema_name(
    workspace text, repository text DEFAULT NULL, workspace_schema name DEFAULT NULL)
RETURNS name LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
-- The rule of docs/schemas.md. '-' becomes '_', '_' becomes '__', and '__' stands between workspace
-- and repository. That can be read backwards only where '-' and '_' stand singly between letters
-- and digits, and where no '_' is in the workspace; all other names get a hash of the slugs.
DECLARE
    -- Slugs are the same in either letter case. "C": the same in every database, and ASCII alone.
    workspace_slug CONSTANT text COLLATE "C" := lower(workspace COLLATE "C");
    repository_slug CONSTANT text COLLATE "C" := lower(repository COLLATE "C");
    slugs CONSTANT text COLLATE "C" := concat_ws('/', workspace_slug, repository_slug);
    hash CONSTANT text := '__' || left(encode(sha256(convert_to(slugs, 'UTF8')), 'hex'), 8);
    plain boolean := workspace_schema IS NOT NULL OR workspace_slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$';
    made text COLLATE "C";
BEGIN
    IF workspace IS NULL OR '' IN (workspace, repository) OR workspace LIKE '%/%'
        OR repository LIKE '%/%'
    THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('no slugs of a workspace and a repository: %L, %L',
                             workspace, repository),
            HINT = 'Give them apart: bitbucket.schema_name(''acme'', ''website'').';
    END IF;
    made := coalesce(workspace_schema::text, bitbucket._identifier_part(workspace_slug));
    IF repository IS NOT NULL THEN
        plain := plain AND repository_slug ~ '^[a-z0-9]+([-_][a-z0-9]+)*$';
        made := made || '__' || bitbucket._identifier_part(repository_slug);
    END IF;
    -- To be typed without quotes it must not start with a digit or be a key word; PostgreSQL keeps
    -- pg_ for itself, and other schemas have these names already.
    IF workspace_schema IS NULL AND (made ~ '^pg_' OR quote_ident(made) <> made
        OR made IN ('bitbucket', 'information_schema', 'public'))
    THEN
        made := '_' || made;
    END IF;
    -- A name that looks as if it had a hash gets one.
    IF NOT plain OR octet_length(made) > 63 OR made ~ '__[0-9a-f]{8}$' THEN
        made := rtrim(bitbucket._cut(made, 63 - length(hash)), '_') || hash;
    END IF;
    RETURN made;
END
$$;
COMMENT ON FUNCTION bitbucket.schema_name IS
    'The schema that a workspace or a repository is imported as';

CREATE FUNCTION bitbucket._identifier_part(slug text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN btrim(regexp_replace(replace(replace(slug, '_', '__'), '-', '_'), '[^a-z0-9_]+', '_', 'g'),
             '_');

CREATE FUNCTION bitbucket._cut(value text, bytes integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
-- The longest beginning of so many bytes, without a character cut in two.
BEGIN
    WHILE octet_length(value) > bytes LOOP
        value := left(value, -1);
    END LOOP;
    RETURN value;
END
$$;
-- Reading the API

CREATE FUNCTION bitbucket._check(server name) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Raises an error that says what to do, unless the current user can read through this server.
DECLARE
    wrapper CONSTANT text := 'bitbucket_fdw.wrapper.BitbucketFdw';
    options text[];
BEGIN
    SELECT coalesce(s.srvoptions, '{}') INTO options
    FROM pg_foreign_server s WHERE s.srvname = _check.server;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = format('server "%s" does not exist', server),
            HINT = format('Create it: CREATE SERVER %I FOREIGN DATA WRAPPER multicorn '
                          'OPTIONS (wrapper %L).', server, wrapper);
    ELSIF 'wrapper=' || wrapper <> ALL (options) THEN
        RAISE wrong_object_type USING
            MESSAGE = format('server "%s" is not one of Bitbucket', server),
            HINT = format('Its foreign data wrapper has to be multicorn, its option "wrapper" %L.',
                          wrapper);
    ELSIF NOT has_server_privilege(server, 'USAGE') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied for foreign server %s', server),
            HINT = format('Its owner can GRANT USAGE ON FOREIGN SERVER %I TO %I.', server,
                          current_user);
    ELSIF NOT EXISTS (
        SELECT FROM pg_user_mappings m
        WHERE m.srvname = _check.server AND m.usename IN ('public', current_user))
    THEN
        RAISE undefined_object USING
            MESSAGE = format('user "%s" has no user mapping for server "%s"', current_user, server),
            HINT = format('Create it: CREATE USER MAPPING FOR %I SERVER %I OPTIONS (email ''...'', '
                          'token ''...''); without options it reads what is public.',
                          current_user, server);
    END IF;
END
$$;

CREATE FUNCTION bitbucket._check_temporary(purpose text, hint text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- What is read from Bitbucket here is read through a foreign table in pg_temp that is made for the
-- one query and dropped after it. One that stayed would need an owner, a schema, privileges for
-- everyone else and care in dumps and upgrades; the price is to need a transaction that may write.
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE read_only_sql_transaction USING
            MESSAGE = format('cannot %s in a read-only transaction', purpose), HINT = hint;
    ELSIF NOT has_database_privilege(current_database(), 'TEMP') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied to create temporary tables in database "%s"',
                             current_database()),
            HINT = hint;
    END IF;
END
$$;

CREATE FUNCTION bitbucket._check_listing() RETURNS void
LANGUAGE sql STABLE
RETURN bitbucket._check_temporary('list repositories',
    'Workspaces and repositories are listed through a temporary foreign table. Without one, query '
    'the table "repositories" of an imported schema.');

CREATE FUNCTION bitbucket._workspaces(server name) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- The slugs of all workspaces that the credential can list.
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM bitbucket._check_listing();
    EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_listing (slug text) '
                   'SERVER %I OPTIONS (table ''workspaces'')', server);
    BEGIN
        RETURN QUERY EXECUTE 'SELECT slug FROM pg_temp.bitbucket_listing';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
            detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        RAISE USING ERRCODE = state, MESSAGE = message, DETAIL = detail, HINT = concat_ws(' ',
            nullif(hint, ''),
            format('A credential that cannot list workspaces can still list one that is named: '
                   'bitbucket.schemas(%L, ''acme'').', server));
    END;
    DROP FOREIGN TABLE pg_temp.bitbucket_listing;
END
$$;

CREATE TYPE bitbucket._repository AS (workspace text, slug text, has_issues boolean);

CREATE FUNCTION bitbucket._repositories(
    server name, workspaces text[], repository text DEFAULT NULL)
RETURNS SETOF bitbucket._repository LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- All repositories of some workspaces, or the one named. Their slugs are read from the full name:
-- the columns repeat what was asked for, be it in capitals. Each workspace is an option and not a
-- condition, so that one that is not there is an error.
DECLARE
    workspace text;
BEGIN
    PERFORM bitbucket._check_listing();
    FOR workspace IN SELECT DISTINCT unnest(workspaces) LOOP
        EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_listing '
                       '(slug text, full_name text, has_issues boolean) '
                       'SERVER %I OPTIONS (table ''repositories'', workspace %L)',
                       server, workspace);
        RETURN QUERY EXECUTE
            'SELECT split_part(full_name, ''/'', 1), split_part(full_name, ''/'', 2), '
            'coalesce(has_issues, false) FROM pg_temp.bitbucket_listing'
            || CASE WHEN repository IS NULL THEN '' ELSE ' WHERE slug = $1' END
            USING repository;
        DROP FOREIGN TABLE pg_temp.bitbucket_listing;
    END LOOP;
END
$$;
-- Importing

CREATE TYPE bitbucket.import_result AS (
    workspace text,
    repository text,
    schema name,
    tables integer,
    status text
);
COMMENT ON TYPE bitbucket.import_result IS 'What importing did with one schema';
COMMENT ON COLUMN bitbucket.import_result.workspace IS 'Workspace slug';
COMMENT ON COLUMN bitbucket.import_result.repository IS
    'Repository slug; NULL for the schema of the workspace';
COMMENT ON COLUMN bitbucket.import_result.schema IS 'The schema';
COMMENT ON COLUMN bitbucket.import_result.tables IS 'Number of tables made now';
COMMENT ON COLUMN bitbucket.import_result.status IS
    'created, extended (by tables or columns), unchanged, or gone: no longer there or visible';

-- A schema to make or complete: NULL as repository stands for the workspace, and as named for the
-- name of the rule; tracker tells whether the issue tables are wanted.
CREATE TYPE bitbucket._wish AS (repository text, named name, tracker boolean);
CREATE TYPE bitbucket._target AS (repository text, schema name, named boolean, tracker boolean);
CREATE TYPE bitbucket._missing AS (target integer, tables text[]);

CREATE FUNCTION bitbucket.import_workspace(
    server name, workspace text, names text DEFAULT 'snake', issues text DEFAULT 'auto',
    repositories text[] DEFAULT NULL, schema name DEFAULT NULL)
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listing bitbucket._repository[];
    slug text := lower(workspace COLLATE "C");
    wanted text[] COLLATE "C" := ARRAY(SELECT lower(r COLLATE "C") FROM unnest(repositories) r);
BEGIN
    PERFORM bitbucket._check(server), bitbucket._check_options(names, issues);
    PERFORM bitbucket._lock(server, slug);
    -- One listing answers for all: which repositories there are, and which have an issue tracker.
    listing := ARRAY(SELECT r FROM bitbucket._repositories(server, ARRAY[workspace]) r);
    slug := coalesce((listing[1]).workspace, slug);
    IF repositories IS NULL THEN
        wanted := ARRAY(SELECT lower(l.slug) FROM unnest(listing) l);
    END IF;
    PERFORM bitbucket._no_repository(server, slug, w)
    FROM unnest(wanted) w WHERE w NOT IN (SELECT lower(l.slug) FROM unnest(listing) l);

    RETURN QUERY SELECT i.* FROM bitbucket._import(server, slug, names, ARRAY(
        SELECT (w.repository, w.named, coalesce(nullif(issues, 'auto') = 'always', w.tracker))
            ::bitbucket._wish
        FROM (
            SELECT NULL AS repository, schema AS named, coalesce(bool_or(l.has_issues), false)
                       AS tracker
            FROM unnest(listing) l
            UNION ALL
            SELECT l.slug, CASE WHEN schema IS NOT NULL
                           THEN bitbucket.schema_name(l.workspace, l.slug, schema) END,
                   l.has_issues
            FROM unnest(listing) l WHERE lower(l.slug) = ANY (wanted)
        ) w
        ORDER BY w.repository COLLATE "C" NULLS FIRST)) i;
    RETURN QUERY
        SELECT DISTINCT t.workspace, t.repository, t.schema, 0, 'gone'
        FROM bitbucket.imported_tables t
        WHERE t.server = import_workspace.server AND t.workspace = lower(slug)
          AND t.repository NOT IN (SELECT lower(l.slug) FROM unnest(listing) l)
        ORDER BY 2, 3;
END
$$;
COMMENT ON FUNCTION bitbucket.import_workspace IS
    'Make a schema for a workspace and for each of its repositories, or add what is new';

CREATE FUNCTION bitbucket.import_repository(
    server name, workspace text, repository text, schema name DEFAULT NULL,
    names text DEFAULT 'snake', issues text DEFAULT 'auto')
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listed bitbucket._repository;
BEGIN
    PERFORM bitbucket._check(server), bitbucket._check_options(names, issues);
    PERFORM bitbucket._lock(server, lower(workspace COLLATE "C"));
    SELECT r.* INTO listed
    FROM bitbucket._repositories(server, ARRAY[workspace], repository) r;
    IF NOT FOUND THEN
        PERFORM bitbucket._no_repository(server, workspace, repository);
    END IF;
    RETURN QUERY SELECT i.* FROM bitbucket._import(server, listed.workspace, names, ARRAY[
        (listed.slug, schema, coalesce(nullif(issues, 'auto') = 'always', listed.has_issues))
            ::bitbucket._wish]) i;
END
$$;
COMMENT ON FUNCTION bitbucket.import_repository IS
    'Make a schema for a repository, or add what is new to it';

CREATE FUNCTION bitbucket._check_options(names text, issues text) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF names IS NULL OR names NOT IN ('snake', 'flat') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for parameter "names": %L', names),
            HINT = 'It is one of: snake, flat.';
    ELSIF issues IS NULL OR issues NOT IN ('auto', 'always', 'never') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for parameter "issues": %L', issues),
            HINT = 'It is one of: auto, always, never.';
    END IF;
END
$$;

CREATE FUNCTION bitbucket._no_repository(server name, workspace text, repository text)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE no_data_found USING
        MESSAGE = format('workspace "%s" has no repository "%s"', workspace, repository),
        HINT = format('See bitbucket.schemas(%L, %L). Bitbucket leaves out what the credential may '
                      'not see.', server, workspace);
END
$$;

CREATE FUNCTION bitbucket._lock(server name, workspace text) RETURNS void
LANGUAGE sql
-- Two sessions that import one workspace do so one after the other, up to the end of transaction.
RETURN pg_advisory_xact_lock(
    hashtextextended(concat_ws(' ', 'bitbucket_fdw', server, workspace), 0));

CREATE FUNCTION bitbucket._label(workspace text, repository text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- The comment on a schema that was made here.
RETURN CASE WHEN repository IS NULL THEN format('Bitbucket workspace %s', workspace)
            ELSE format('Bitbucket repository %s/%s', workspace, repository) END;

-- From here on everything is done for all schemas of a call at once: a pass over the foreign
-- tables for each of them would make a big workspace take the square of its size.

CREATE FUNCTION bitbucket._import(
    server name, workspace text, names text, wishes bitbucket._wish[])
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    targets CONSTANT bitbucket._target[] :=
        bitbucket._targets(server, workspace, names, wishes);
    lacking CONSTANT bitbucket._missing[] := bitbucket._missing_tables(names, targets);
    results bitbucket.import_result[];
    missing bitbucket._missing;
    step record;
BEGIN
    PERFORM bitbucket._check_targets(server, workspace, names, targets);
    PERFORM bitbucket._check_locks(sum(cardinality(l.tables))) FROM unnest(lacking) l;
    results := ARRAY(
        SELECT (workspace, t.repository, t.schema, 0,
                CASE WHEN n.oid IS NULL THEN 'created' ELSE 'unchanged' END)
            ::bitbucket.import_result
        FROM unnest(targets) WITH ORDINALITY t (repository, schema, named, tracker, i)
        LEFT JOIN pg_namespace n ON n.nspname = t.schema
        ORDER BY t.i);
    PERFORM bitbucket._create_schema(r.schema) FROM unnest(results) r WHERE r.status = 'created';

    FOREACH missing IN ARRAY lacking LOOP
        PERFORM bitbucket._create_tables(
            server, workspace, targets[missing.target], names, missing.tables);
        results[missing.target].tables := cardinality(missing.tables);
    END LOOP;
    FOR step IN SELECT * FROM bitbucket._missing_columns(names, targets) LOOP
        EXECUTE step.statement;
        IF results[step.i].status = 'unchanged' THEN
            results[step.i].status := 'extended';
        END IF;
    END LOOP;
    PERFORM bitbucket._describe(ARRAY(SELECT t.schema FROM unnest(targets) t), false);

    -- The mark by which a schema is found again; a comment of someone's own is left alone.
    FOR step IN
        SELECT format('COMMENT ON SCHEMA %I IS %L', t.schema,
                      bitbucket._label(workspace, t.repository)) AS statement
        FROM unnest(targets) t JOIN pg_namespace n ON n.nspname = t.schema
        WHERE obj_description(n.oid, 'pg_namespace') IS NULL AND pg_has_role(n.nspowner, 'USAGE')
    LOOP
        EXECUTE step.statement;
    END LOOP;
    RETURN QUERY
        SELECT r.workspace, r.repository, r.schema, r.tables,
               CASE WHEN r.status = 'unchanged' AND r.tables > 0 THEN 'extended' ELSE r.status END
        FROM unnest(results) r;
END
$$;

CREATE FUNCTION bitbucket._targets(
    server name, workspace text, names text, wishes bitbucket._wish[])
RETURNS bitbucket._target[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The schema for each wish: the one named, else the one made for it before, which may have another
-- name by now, else the one of the rule. A comment tells a schema that was made here from one in
-- which somebody put a foreign table of their own.
BEGIN
    RETURN ARRAY(
        WITH made AS (
            SELECT t.repository, t.schema, n.oid
            FROM bitbucket.imported_tables t JOIN pg_namespace n ON n.nspname = t.schema
            WHERE t.server = _targets.server AND t.workspace = lower(_targets.workspace)
            GROUP BY t.repository, t.schema, n.oid
            HAVING bool_and(t.names = _targets.names) IS NOT FALSE
        ), best AS (
            SELECT DISTINCT ON (m.repository) m.repository, m.schema
            FROM made m
            WHERE lower(obj_description(m.oid, 'pg_namespace'))
                = lower(bitbucket._label(_targets.workspace, m.repository))
            ORDER BY m.repository, m.schema <> bitbucket.schema_name(workspace, m.repository),
                     m.oid
        )
        SELECT (w.repository,
                coalesce(w.named, b.schema, bitbucket.schema_name(workspace, w.repository)),
                w.named IS NOT NULL, w.tracker)::bitbucket._target
        FROM unnest(wishes) WITH ORDINALITY w (repository, named, tracker, i)
        LEFT JOIN best b ON lower(w.repository) IS NOT DISTINCT FROM b.repository
        ORDER BY w.i);
END
$$;

CREATE FUNCTION bitbucket._check_targets(
    server name, workspace text, names text, targets bitbucket._target[])
RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Raises an error if an existing schema is not the place for its tables: it holds those of another
-- repository or spelled in the other way, or, unless it was named by the caller, something else,
-- or belongs to somebody else, who could then put a view of their own in a table's place.
DECLARE
    hint CONSTANT text := 'Give another name as parameter "schema".';
    asking CONSTANT text := hint || ' To have these in it all the same, give its own.';
    place record;
BEGIN
    FOR place IN
        SELECT x.schema, x.named, n.oid, n.nspowner AS owner, count(t.relation) AS tables,
               string_agg(DISTINCT concat_ws('/', t.workspace, t.repository)
                                   || format(' (server %s)', t.server), ', ')
                   FILTER (WHERE t.relation IS NOT NULL
                       AND (t.server, t.workspace, t.repository) IS DISTINCT FROM
                           (_check_targets.server, lower(_check_targets.workspace),
                            lower(x.repository))) AS others,
               max(t.names) FILTER (WHERE t.names <> _check_targets.names) AS names
        FROM unnest(targets) x
        JOIN pg_namespace n ON n.nspname = x.schema
        LEFT JOIN bitbucket.imported_tables t ON t.schema = x.schema
        GROUP BY x.schema, x.named, x.repository, n.oid, n.nspowner
    LOOP
        IF place.others IS NOT NULL THEN
            RAISE duplicate_schema USING
                MESSAGE = format('schema "%s" holds tables of %s', place.schema, place.others),
                HINT = hint;
        ELSIF place.names IS NOT NULL THEN
            RAISE duplicate_schema USING
                MESSAGE = format('schema "%s" was imported with names %L', place.schema,
                                 place.names),
                HINT = hint;
        ELSIF NOT place.named AND NOT pg_has_role(place.owner, 'USAGE') THEN
            RAISE insufficient_privilege USING
                MESSAGE = format('schema "%s" belongs to role "%s"', place.schema,
                                 pg_get_userbyid(place.owner)),
                HINT = asking;
        ELSIF NOT place.named AND place.tables = 0
            AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = place.oid)
        THEN
            RAISE duplicate_schema USING
                MESSAGE = format('schema "%s" exists, and holds other tables', place.schema),
                HINT = asking;
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION bitbucket._create_schema(schema name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_database_privilege(current_database(), 'CREATE') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied to create schema "%s"', schema),
            HINT = format('The owner of database %1$I can GRANT CREATE ON DATABASE %1$I TO %2$I, '
                          'or create the schema for you.', current_database(), current_user);
    END IF;
    EXECUTE format('CREATE SCHEMA %I', schema);
END
$$;

CREATE FUNCTION bitbucket._missing_tables(names text, targets bitbucket._target[])
RETURNS bitbucket._missing[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The names of the tables to make for each target, by its place in the list.
BEGIN
    RETURN ARRAY(
        WITH known AS MATERIALIZED (SELECT * FROM bitbucket.tables)  -- read once, whatever the plan
        SELECT (x.i, array_agg(
                CASE _missing_tables.names WHEN 'flat' THEN k.flat_name ELSE k.name END))
            ::bitbucket._missing
        FROM unnest(targets) WITH ORDINALITY x (repository, schema, named, tracker, i)
        CROSS JOIN known k
        LEFT JOIN bitbucket.imported_tables t ON t.schema = x.schema AND t.table_name = k.name
        WHERE (x.repository IS NULL OR k.level = 'repository')
          AND (x.tracker OR NOT k.needs_issue_tracker)
          AND t.relation IS NULL
        GROUP BY x.i);
END
$$;

CREATE FUNCTION bitbucket._check_locks(tables bigint) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Each new table takes a lock until the end of the transaction. Better to say at once that they are
-- too many than to run out of locks after a minute.
DECLARE
    locks CONSTANT bigint := current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::bigint
           + current_setting('max_prepared_transactions')::bigint);
BEGIN
    IF tables > 0.9 * locks THEN
        RAISE program_limit_exceeded USING
            MESSAGE = format('%s tables are too many for one transaction', tables),
            DETAIL = format('Each takes one of %s locks that all sessions share.', locks),
            HINT = 'Import some of the repositories at a time (parameter "repositories"), or have '
                   'the setting max_locks_per_transaction raised.';
    END IF;
END
$$;

CREATE FUNCTION bitbucket._create_tables(
    server name, workspace text, target bitbucket._target, names text, tables text[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    remote text := concat_ws('/', workspace, target.repository);
    too_long CONSTANT boolean := octet_length(remote) > 63;
BEGIN
    -- The parser cuts identifiers, and so the name of a remote schema, at 63 bytes. A longer one
    -- is imported under another name and then bound: nothing is requested for the import, since
    -- the tables are listed and 'always' asks for no look at the issue tracker.
    IF too_long THEN
        remote := CASE WHEN target.repository IS NULL THEN 'workspace'
                       ELSE 'workspace/repository' END;
    END IF;
    EXECUTE format(
        'IMPORT FOREIGN SCHEMA %I LIMIT TO (%s) FROM SERVER %I INTO %I '
        'OPTIONS (names %L, issues ''always'')',
        remote, (SELECT string_agg(quote_ident(t), ', ') FROM unnest(tables) t), server,
        target.schema, names);
    IF too_long THEN
        EXECUTE (
            SELECT string_agg(format(
                'ALTER FOREIGN TABLE %I.%I OPTIONS (SET workspace %L%s)',
                target.schema, t, workspace,
                CASE WHEN target.repository IS NULL THEN ''
                     ELSE format(', SET repository %L', target.repository) END), ';')
            FROM unnest(tables) t);
    END IF;
END
$$;

CREATE FUNCTION bitbucket._missing_columns(names text, targets bitbucket._target[])
RETURNS TABLE (i integer, statement text) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Statements that add the columns that a newer version of the package has.
BEGIN
    RETURN QUERY
        WITH known AS MATERIALIZED (SELECT * FROM bitbucket.columns),
        lacking AS (
            SELECT x.i, t.relation, k.position, k.type, k.name,
                   CASE _missing_columns.names WHEN 'flat' THEN k.flat_name ELSE k.name END
                       AS spelled
            FROM unnest(targets) WITH ORDINALITY x (repository, schema, named, tracker, i)
            JOIN bitbucket.imported_tables t ON t.schema = x.schema
            JOIN known k ON k.table_name = t.table_name
            LEFT JOIN bitbucket._shown_columns s ON s.relation = t.relation AND s.shown = k.name
            WHERE s.relation IS NULL
        )
        SELECT l.i::integer, format('ALTER FOREIGN TABLE %s %s', l.relation, string_agg(
            format('ADD COLUMN %I %s', l.spelled, l.type) || CASE WHEN l.spelled <> l.name
                THEN format(' OPTIONS (column_name %L)', l.name) ELSE '' END,
            ', ' ORDER BY l.position))
        FROM lacking l GROUP BY l.i, l.relation;
END
$$;

CREATE FUNCTION bitbucket._describe(schemas name[], overwrite boolean) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Comments on tables and columns that have none, or on all of them; how many.
DECLARE
    statement text;
    number bigint := 0;
BEGIN
    FOR statement IN
        WITH known_tables AS MATERIALIZED (SELECT * FROM bitbucket.tables),
        known_columns AS MATERIALIZED (SELECT * FROM bitbucket.columns),
        mine AS MATERIALIZED (
            SELECT t.relation, t.table_name
            FROM bitbucket.imported_tables t JOIN pg_class c ON c.oid = t.relation
            WHERE t.schema = ANY (schemas) AND pg_has_role(c.relowner, 'USAGE')
        )
        SELECT format('COMMENT ON FOREIGN TABLE %s IS %L', m.relation, k.description)
        FROM mine m JOIN known_tables k ON k.name = m.table_name
        WHERE overwrite OR obj_description(m.relation, 'pg_class') IS NULL
        UNION ALL
        SELECT format('COMMENT ON COLUMN %s.%I IS %L', m.relation, s.name, k.description)
        FROM mine m JOIN bitbucket._shown_columns s ON s.relation = m.relation
        JOIN known_columns k ON k.table_name = m.table_name AND k.name = s.shown
        WHERE overwrite OR col_description(m.relation, s.number) IS NULL
    LOOP
        EXECUTE statement;
        number := number + 1;
    END LOOP;
    RETURN number;
END
$$;

CREATE FUNCTION bitbucket.comment_on(schema name, overwrite boolean DEFAULT false)
RETURNS bigint LANGUAGE sql
RETURN bitbucket._describe(ARRAY[schema], overwrite);
COMMENT ON FUNCTION bitbucket.comment_on IS
    'Describe the foreign tables of a schema and their columns; the number of comments made';
-- Looking around

CREATE TYPE bitbucket.schema_entry AS (
    workspace text,
    repository text,
    schema name,
    tables bigint,
    status text
);
COMMENT ON TYPE bitbucket.schema_entry IS 'A workspace or a repository, and where its tables are';
COMMENT ON COLUMN bitbucket.schema_entry.workspace IS 'Workspace slug';
COMMENT ON COLUMN bitbucket.schema_entry.repository IS
    'Repository slug; NULL for the workspace itself';
COMMENT ON COLUMN bitbucket.schema_entry.schema IS 'The schema; NULL if it was not imported';
COMMENT ON COLUMN bitbucket.schema_entry.tables IS 'Number of tables there';
COMMENT ON COLUMN bitbucket.schema_entry.status IS
    'imported, available (for import), or gone: imported, but no longer there or visible';

CREATE FUNCTION bitbucket.schemas(server name, workspace text DEFAULT NULL)
RETURNS SETOF bitbucket.schema_entry LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    workspaces text[] := ARRAY[lower(workspace COLLATE "C")];
    listing bitbucket._repository[] := '{}';
BEGIN
    PERFORM bitbucket._check(server);
    IF workspace IS NULL THEN
        workspaces := ARRAY(SELECT bitbucket._workspaces(server));
    END IF;
    IF workspaces <> '{}' THEN
        listing := ARRAY(SELECT r FROM bitbucket._repositories(server, workspaces) r);
    END IF;
    IF workspace IS NOT NULL AND listing <> '{}' THEN
        workspaces := ARRAY[(listing[1]).workspace];  -- be it given as a UUID
    END IF;
    RETURN QUERY
        WITH visible AS (
            SELECT w AS workspace, NULL AS repository FROM unnest(workspaces) w
            UNION ALL
            SELECT l.workspace, l.slug FROM unnest(listing) l
        ), imported AS (
            SELECT t.workspace, t.repository, t.schema, count(*) AS tables
            FROM bitbucket.imported_tables t
            WHERE t.server = schemas.server
              AND ($2 IS NULL OR t.workspace = lower(workspaces[1]))
            GROUP BY t.workspace, t.repository, t.schema
        )
        SELECT coalesce(v.workspace, i.workspace), coalesce(v.repository, i.repository), i.schema,
               coalesce(i.tables, 0),
               CASE WHEN v.workspace IS NULL THEN 'gone'
                    WHEN i.schema IS NULL THEN 'available' ELSE 'imported' END
        FROM visible v
        FULL JOIN imported i ON lower(v.workspace) = i.workspace
            AND coalesce(lower(v.repository), '') = coalesce(i.repository, '')
        ORDER BY 1, 2 NULLS FIRST, 3;
END
$$;
COMMENT ON FUNCTION bitbucket.schemas IS
    'The workspaces and repositories that the credential sees, and the schemas they have here';
-- Signing in

CREATE FUNCTION bitbucket._call(server name, service text, argument jsonb)
RETURNS SETOF jsonb LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Has the wrapper do something with the server's options and the current user's mapping. As with
-- listings, the foreign table through which it is reached is made for the one statement. The
-- argument travels as a condition: a table option would stand in the catalog.
BEGIN
    PERFORM bitbucket._check(server);
    PERFORM bitbucket._check_temporary(
        'run bitbucket.' || service,
        format('bitbucket.%s takes a temporary foreign table.', service));
    EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_service (argument text, result text) '
                   'SERVER %I OPTIONS (service %L)', server, service);
    RETURN QUERY EXECUTE
        'SELECT result::jsonb FROM pg_temp.bitbucket_service WHERE argument = $1'
        USING argument::text;
    DROP FOREIGN TABLE pg_temp.bitbucket_service;
END
$$;

CREATE FUNCTION bitbucket.verify(server name, workspace text DEFAULT NULL)
RETURNS TABLE (check_name text, status text, found text, what_to_do text, scopes text,
               missing_scope text, rate_limit text, curl text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT c.* FROM bitbucket._call(server, 'verify', jsonb_build_object(
            'workspaces', to_jsonb(array_remove(ARRAY[verify.workspace], NULL)),
            'tables', coalesce((
                SELECT jsonb_agg(DISTINCT jsonb_build_object(
                    'table', t.table_name, 'workspace', t.workspace, 'repository', t.repository))
                FROM bitbucket.imported_tables t
                WHERE t.server = verify.server
                  AND t.workspace = coalesce(lower(verify.workspace COLLATE "C"), t.workspace)),
                '[]'))) result
        CROSS JOIN LATERAL jsonb_to_record(result) c (
            check_name text, status text, found text, what_to_do text, scopes text,
            missing_scope text, rate_limit text, curl text);
END
$$;
COMMENT ON FUNCTION bitbucket.verify IS
    'Check the connection, the credential, the workspaces and each imported table';

CREATE FUNCTION bitbucket._mapping_for_login(
    server name, OUT whose text, OUT options text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The user mapping that a login of the current user is written to: the one in effect, which the
-- current user must be allowed to change.
BEGIN
    PERFORM bitbucket._check(server);
    SELECT CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE 'CURRENT_USER' END, coalesce(m.umoptions, '{}')
    INTO whose, options
    FROM pg_user_mappings m
    WHERE m.srvname = server AND (m.umuser = 0 OR m.usename = current_user)
    ORDER BY m.umuser = 0
    LIMIT 1;
    IF whose = 'PUBLIC' AND NOT EXISTS (
        SELECT FROM pg_foreign_server s
        WHERE s.srvname = server AND pg_has_role(s.srvowner, 'USAGE'))
    THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('the user mapping in effect is the one for PUBLIC of server "%s"',
                             server),
            HINT = format('Make one of your own to log in by: CREATE USER MAPPING FOR CURRENT_USER '
                          'SERVER %I OPTIONS (auth ''oauth2_code'', client_id ''...'', '
                          'client_secret ''...'').', server);
    END IF;
END
$$;

CREATE FUNCTION bitbucket.oauth_authorization_url(
    server name, callback_url text, state text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM bitbucket._mapping_for_login(server);
    RETURN (SELECT result ->> 'url'
            FROM bitbucket._call(server, 'oauth_authorization_url', jsonb_build_object(
                'callback_url', callback_url, 'state', state)) result);
END
$$;
COMMENT ON FUNCTION bitbucket.oauth_authorization_url IS
    'The page to send a person to who logs in; it leads back to callback_url with a code';

CREATE FUNCTION bitbucket.oauth_access_token(
    server name, code text, callback_url text, state text)
RETURNS TABLE (auth text, expires_in integer, scopes text, user_mapping text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- The tokens go to the token store of the server, which this session's user cannot read; the user
-- mapping is told the store's name for them.
DECLARE
    mapping CONSTANT record := bitbucket._mapping_for_login(server);
    outcome jsonb;
    changes text;
BEGIN
    IF code IS NULL OR callback_url IS NULL OR state IS NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = 'code, callback_url and state must not be NULL',
            HINT = 'They come from bitbucket.oauth_authorization_url and the way back from it. '
                   'For OAuth 1 the verifier is the code.';
    END IF;
    outcome := bitbucket._call(server, 'oauth_access_token', jsonb_build_object(
        'code', code, 'callback_url', callback_url, 'state', state));
    SELECT string_agg(change, ', ') INTO changes
    FROM (
        SELECT format('%s %I %L', CASE WHEN o.option_name IS NULL THEN 'ADD' ELSE 'SET' END,
                      w.name, w.value) AS change
        FROM (VALUES ('auth', outcome ->> 'auth'), ('login', outcome ->> 'login')) w (name, value)
        LEFT JOIN pg_options_to_table(mapping.options) o ON o.option_name = w.name
        UNION ALL
        SELECT format('DROP %I', o.option_name)
        FROM pg_options_to_table(mapping.options) o
        WHERE o.option_name IN ('refresh_token', 'token', 'token_secret')
    ) c;
    EXECUTE format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (%s)',
                   mapping.whose, server, changes);
    RETURN QUERY SELECT outcome ->> 'auth', (outcome ->> 'expires_in')::numeric::integer,
        outcome ->> 'scopes', CASE mapping.whose WHEN 'PUBLIC' THEN 'public'
                                                 ELSE current_user::text END;
END
$$;
COMMENT ON FUNCTION bitbucket.oauth_access_token IS
    'Exchange the code of a login for tokens, which the server keeps, and set the user mapping';

CREATE FUNCTION bitbucket.oauth_refresh(server name)
RETURNS TABLE (auth text, expires_in integer, scopes text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT result ->> 'auth', (result ->> 'expires_in')::numeric::integer, result ->> 'scopes'
        FROM bitbucket._call(server, 'oauth_refresh', '{}') result;
END
$$;
COMMENT ON FUNCTION bitbucket.oauth_refresh IS
    'Get a new OAuth 2 access token now; they are renewed by themselves when they run out';
-- Options

CREATE FOREIGN TABLE bitbucket._option_checks (
    level text,
    options text,
    message text,
    hint text
) SERVER bitbucket_catalog OPTIONS (table 'option_checks');
COMMENT ON FOREIGN TABLE bitbucket._option_checks IS
    'What is wrong with the options, a JSON object, of a server, user_mapping, table or column';

CREATE FUNCTION bitbucket._given_options(catalog oid, object oid)
RETURNS TABLE (level text, options text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
-- The options of an object, if it is one of a server of this package. Of a user mapping only the
-- way to sign in has its value: the others may be secret, and could get into a log from here. In
-- their place stands a reference, which is a good value for each of them.
BEGIN ATOMIC
    WITH servers AS (
        SELECT oid, srvoptions FROM pg_foreign_server
        WHERE srvoptions @> ARRAY['wrapper=bitbucket_fdw.wrapper.BitbucketFdw']
    ), given (level, options) AS (
        SELECT 'server', srvoptions FROM servers
        WHERE catalog = 'pg_foreign_server'::regclass AND oid = object
        UNION ALL
        SELECT 'user_mapping', ARRAY(
            SELECT CASE option_name WHEN 'auth' THEN 'auth=' || option_value
                                    ELSE option_name || '=env:BITBUCKET_VALUE' END
            FROM pg_options_to_table(umoptions))
        FROM pg_user_mapping JOIN servers ON servers.oid = umserver
        WHERE catalog = 'pg_user_mapping'::regclass AND pg_user_mapping.oid = object
        UNION ALL
        SELECT 'table', ftoptions
        FROM pg_foreign_table JOIN servers ON servers.oid = ftserver
        WHERE catalog = 'pg_class'::regclass AND ftrelid = object
        UNION ALL
        SELECT 'column', attfdwoptions
        FROM pg_attribute
        JOIN pg_foreign_table ON ftrelid = attrelid
        JOIN servers ON servers.oid = ftserver
        WHERE catalog = 'pg_class'::regclass AND attrelid = object AND attfdwoptions IS NOT NULL
    )
    SELECT g.level, (SELECT coalesce(jsonb_object_agg(option_name, option_value), '{}')::text
                     FROM pg_options_to_table(g.options))
    FROM given g;
END;

CREATE FUNCTION bitbucket._check_options() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
-- Refuses options that are misspelt or stand in the wrong place. A host hands those of table, server
-- and user mapping to the wrapper as one; Multicorn2 does not have them checked before. Whoever may
-- make a table or a user mapping could then name another base_url, and get the credential of others
-- sent there. So this runs with the rights of the extension's owner, who sees all options.
DECLARE
    given record;
    fault record;
BEGIN
    FOR given IN
        SELECT DISTINCT o.level, o.options
        FROM pg_event_trigger_ddl_commands() c
        CROSS JOIN LATERAL bitbucket._given_options(c.classid, c.objid) o
    LOOP
        FOR fault IN
            SELECT message, hint FROM bitbucket._option_checks
            WHERE level = given.level AND options = given.options
        LOOP
            RAISE EXCEPTION USING
                ERRCODE = 'fdw_invalid_option_name',
                MESSAGE = fault.message,
                HINT = coalesce(fault.hint, 'The page docs/options.md lists them.');
        END LOOP;
    END LOOP;
END
$$;

CREATE EVENT TRIGGER bitbucket_fdw_options ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'CREATE USER MAPPING', 'ALTER USER MAPPING',
                 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'ALTER TABLE',
                 'IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION bitbucket._check_options();
COMMENT ON EVENT TRIGGER bitbucket_fdw_options IS
    'Refuses options of bitbucket_fdw that are misspelt or misplaced';
