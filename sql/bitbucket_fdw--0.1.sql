/* bitbucket_fdw 0.1 */

\echo Use "CREATE EXTENSION bitbucket_fdw CASCADE" to load this file. \quit

-- Functions run with the rights of whoever calls them and under a fixed search path. Names that
-- start with an underscore are for the others here, and may change with any version.

CREATE SCHEMA bitbucket;
COMMENT ON SCHEMA bitbucket IS 'Bitbucket Cloud: importing schemas, and what can be imported';
GRANT USAGE ON SCHEMA bitbucket TO PUBLIC;


---- What can be imported -------------------------------------------------------------------------

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


---- What has been imported -----------------------------------------------------------------------

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


---- Names ----------------------------------------------------------------------------------------

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


---- Reading the API ------------------------------------------------------------------------------

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
            HINT = format('Create it: CREATE USER MAPPING FOR %I SERVER %I OPTIONS (email ''…'', '
                          'token ''…''); without options it reads what is public.',
                          current_user, server);
    END IF;
END
$$;

CREATE FUNCTION bitbucket._check_listing() RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Workspaces and repositories are read through a foreign table, pg_temp.bitbucket_listing, that is
-- made for the one query and dropped after it. One that stayed would need an owner, a schema,
-- privileges for everyone else and care in dumps and upgrades; the price is to need a transaction
-- that may write.
DECLARE
    hint CONSTANT text := 'Workspaces and repositories are listed through a temporary foreign '
        'table. Without one, query the table "repositories" of an imported schema.';
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE read_only_sql_transaction USING
            MESSAGE = 'cannot list repositories in a read-only transaction', HINT = hint;
    ELSIF NOT has_database_privilege(current_database(), 'TEMP') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied to create temporary tables in database "%s"',
                             current_database()),
            HINT = hint;
    END IF;
END
$$;

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
-- the columns repeat what was asked for, be it in capitals.
BEGIN
    PERFORM bitbucket._check_listing();
    EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_listing '
                   '(workspace text, slug text, full_name text, has_issues boolean) '
                   'SERVER %I OPTIONS (table ''repositories'')', server);
    RETURN QUERY EXECUTE
        'SELECT split_part(full_name, ''/'', 1), split_part(full_name, ''/'', 2), '
        'coalesce(has_issues, false) FROM pg_temp.bitbucket_listing WHERE workspace = ANY ($1)'
        || CASE WHEN repository IS NULL THEN '' ELSE ' AND slug = $2' END
        USING workspaces, repository;
    DROP FOREIGN TABLE pg_temp.bitbucket_listing;
END
$$;


---- Importing ------------------------------------------------------------------------------------

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

CREATE FUNCTION bitbucket.import_workspace(
    server name, workspace text, names text DEFAULT 'snake', issues text DEFAULT 'auto',
    repositories text[] DEFAULT NULL, schema name DEFAULT NULL)
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listing bitbucket._repository[];
    listed bitbucket._repository;
    slug text := lower(workspace COLLATE "C");
    missing text;
BEGIN
    PERFORM bitbucket._check(server), bitbucket._check_options(names, issues);
    PERFORM bitbucket._lock(server, slug);
    -- One listing answers for all: which repositories there are, and which have an issue tracker.
    listing := ARRAY(SELECT r FROM bitbucket._repositories(server, ARRAY[workspace]) r
                     ORDER BY r.slug COLLATE "C");
    slug := coalesce((listing[1]).workspace, slug);
    SELECT r INTO missing FROM unnest(repositories) r
    WHERE lower(r COLLATE "C") NOT IN (SELECT lower(l.slug COLLATE "C") FROM unnest(listing) l);
    IF FOUND THEN
        RAISE no_data_found USING
            MESSAGE = format('workspace "%s" has no repository "%s"', slug, missing),
            HINT = format('See bitbucket.schemas(%L, %L). Bitbucket leaves out what the credential '
                          'may not see.', server, slug);
    END IF;

    RETURN NEXT bitbucket._import(
        server, slug, NULL, names, schema,
        CASE issues WHEN 'auto' THEN true IN (SELECT l.has_issues FROM unnest(listing) l)
                    ELSE issues = 'always' END);
    FOREACH listed IN ARRAY listing LOOP
        IF repositories IS NULL OR lower(listed.slug COLLATE "C") IN
            (SELECT lower(r COLLATE "C") FROM unnest(repositories) r)
        THEN
            RETURN NEXT bitbucket._import(
                server, slug, listed.slug, names,
                CASE WHEN schema IS NOT NULL
                     THEN bitbucket.schema_name(slug, listed.slug, schema) END,
                CASE issues WHEN 'auto' THEN listed.has_issues ELSE issues = 'always' END);
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT DISTINCT t.workspace, t.repository, t.schema, 0, 'gone'
        FROM bitbucket.imported_tables t
        WHERE t.server = import_workspace.server
          AND t.workspace = lower(slug)
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
        RAISE no_data_found USING
            MESSAGE = format('workspace "%s" has no repository "%s"', workspace, repository),
            HINT = format('See bitbucket.schemas(%L, %L). Bitbucket leaves out what the credential '
                          'may not see.', server, workspace);
    END IF;
    RETURN NEXT bitbucket._import(
        server, listed.workspace, listed.slug, names, schema,
        CASE issues WHEN 'auto' THEN listed.has_issues ELSE issues = 'always' END);
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

CREATE FUNCTION bitbucket._lock(server name, workspace text) RETURNS void
LANGUAGE sql
-- Two sessions that import one workspace do so one after the other, up to the end of transaction.
RETURN pg_advisory_xact_lock(
    hashtextextended(concat_ws(' ', 'bitbucket_fdw', server, workspace), 0));

CREATE FUNCTION bitbucket._label(workspace text, repository text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN repository IS NULL THEN format('Bitbucket workspace %s', workspace)
            ELSE format('Bitbucket repository %s/%s', workspace, repository) END;

CREATE FUNCTION bitbucket._target(server name, workspace text, repository text, names text)
RETURNS name LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The schema made for this before, which may have been renamed since: its comment tells it from
-- one in which somebody made a foreign table of their own. Otherwise the one of the rule.
SELECT coalesce(
    (SELECT n.nspname
     FROM bitbucket.imported_tables t JOIN pg_namespace n ON n.nspname = t.schema
     WHERE t.server = $1
       AND (t.workspace, t.repository) IS NOT DISTINCT FROM (lower($2), lower($3))
       AND obj_description(n.oid, 'pg_namespace') = bitbucket._label($2, $3)
     GROUP BY n.oid, n.nspname
     HAVING bool_and(t.names = $4) IS NOT FALSE
     ORDER BY n.nspname <> bitbucket.schema_name($2, $3), n.oid
     LIMIT 1),
    bitbucket.schema_name($2, $3))
$$;

CREATE FUNCTION bitbucket._import(
    server name, workspace text, repository text, names text, schema name, tracker boolean)
RETURNS bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Makes one schema, or adds the tables and columns it lacks. "schema" is NULL for the rule's name;
-- "tracker" tells whether the issue tables are wanted.
DECLARE
    label CONSTANT text := bitbucket._label(workspace, repository);
    target CONSTANT name :=
        coalesce(schema, bitbucket._target(server, workspace, repository, names));
    result bitbucket.import_result := (workspace, repository, target, 0, 'unchanged');
    wanted text[];
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = target) THEN
        PERFORM bitbucket._create_schema(target);
        result.status := 'created';
    ELSE
        PERFORM bitbucket._check_schema(
            target, server, workspace, repository, names, schema IS NOT NULL);
    END IF;
    SELECT array_agg(CASE _import.names WHEN 'flat' THEN k.flat_name ELSE k.name END) INTO wanted
    FROM bitbucket.tables k
    WHERE (repository IS NULL OR k.level = 'repository')
      AND (tracker OR NOT k.needs_issue_tracker)
      AND k.name <> ALL (ARRAY(SELECT t.table_name FROM bitbucket.imported_tables t
                               WHERE t.schema = target));
    IF wanted IS NOT NULL THEN
        PERFORM bitbucket._create_tables(server, workspace, repository, target, names, wanted);
        result.tables := cardinality(wanted);
    END IF;
    IF bitbucket._add_columns(target, names) + result.tables > 0
        AND result.status = 'unchanged'
    THEN
        result.status := 'extended';
    END IF;
    PERFORM bitbucket.comment_on(target);
    -- The mark of "_target"; a comment of someone's own is left alone.
    PERFORM FROM pg_namespace n
    WHERE n.nspname = target AND obj_description(n.oid, 'pg_namespace') IS NULL
      AND pg_has_role(n.nspowner, 'USAGE');
    IF FOUND THEN
        EXECUTE format('COMMENT ON SCHEMA %I IS %L', target, label);
    END IF;
    RETURN result;
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

CREATE FUNCTION bitbucket._check_schema(
    schema name, server name, workspace text, repository text, names text, asked_for boolean)
RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Raises an error if an existing schema is not the place for these tables: it holds those of
-- another repository or spelled in the other way, or, unless it was asked for by name, something
-- else, or belongs to somebody else, who could then put a view of their own in a table's place.
DECLARE
    hint CONSTANT text := 'Give another name as parameter "schema".';
    asking CONSTANT text := 'To have these in it all the same, give its own.';
    owner oid;
    tables record;
BEGIN
    SELECT n.nspowner INTO owner FROM pg_namespace n WHERE n.nspname = _check_schema.schema;
    SELECT count(*) AS number,
           string_agg(DISTINCT format('%s (server %s)', concat_ws('/', t.workspace, t.repository),
                                      t.server), ', ')
               FILTER (WHERE (t.server, t.workspace, t.repository) IS DISTINCT FROM
                   (_check_schema.server, lower(_check_schema.workspace),
                    lower(_check_schema.repository))) AS others,
           max(t.names) FILTER (WHERE t.names <> _check_schema.names) AS names
    INTO tables
    FROM bitbucket.imported_tables t WHERE t.schema = _check_schema.schema;
    IF tables.others IS NOT NULL THEN
        RAISE duplicate_schema USING
            MESSAGE = format('schema "%s" holds tables of %s', schema, tables.others), HINT = hint;
    ELSIF tables.names IS NOT NULL THEN
        RAISE duplicate_schema USING
            MESSAGE = format('schema "%s" was imported with names %L', schema, tables.names),
            HINT = hint;
    ELSIF NOT asked_for AND NOT pg_has_role(owner, 'USAGE') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('schema "%s" belongs to role "%s"', schema, pg_get_userbyid(owner)),
            HINT = concat_ws(' ', hint, asking);
    ELSIF NOT asked_for AND tables.number = 0 AND EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = _check_schema.schema)
    THEN
        RAISE duplicate_schema USING
            MESSAGE = format('schema "%s" exists, and holds other tables', schema),
            HINT = concat_ws(' ', hint, asking);
    END IF;
END
$$;

CREATE FUNCTION bitbucket._create_tables(
    server name, workspace text, repository text, schema name, names text, wanted text[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    remote text := concat_ws('/', workspace, repository);
    too_long CONSTANT boolean := octet_length(remote) > 63;
BEGIN
    -- The parser cuts identifiers, and so the name of a remote schema, at 63 bytes. A longer one
    -- is imported under another name and then bound: nothing is requested for the import, since
    -- the tables are listed and 'always' asks for no look at the issue tracker.
    IF too_long THEN
        remote := CASE WHEN repository IS NULL THEN 'workspace' ELSE 'workspace/repository' END;
    END IF;
    EXECUTE format(
        'IMPORT FOREIGN SCHEMA %I LIMIT TO (%s) FROM SERVER %I INTO %I '
        'OPTIONS (names %L, issues ''always'')',
        remote, (SELECT string_agg(quote_ident(w), ', ') FROM unnest(wanted) w), server, schema,
        names);
    IF too_long THEN
        EXECUTE (
            SELECT string_agg(format(
                'ALTER FOREIGN TABLE %I.%I OPTIONS (SET workspace %L%s)', schema, w, workspace,
                CASE WHEN repository IS NULL THEN ''
                     ELSE format(', SET repository %L', repository) END), ';')
            FROM unnest(wanted) w);
    END IF;
END
$$;

CREATE FUNCTION bitbucket._add_columns(schema name, names text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Adds the columns that a newer version of the package has; the number of tables changed.
DECLARE
    statements text[];
BEGIN
    WITH known AS MATERIALIZED (SELECT * FROM bitbucket.columns),  -- read once, whatever the plan
    lacking AS (
        SELECT t.relation, k.position, k.type, k.name,
               CASE _add_columns.names WHEN 'flat' THEN k.flat_name ELSE k.name END AS spelled
        FROM bitbucket.imported_tables t JOIN known k ON k.table_name = t.table_name
        LEFT JOIN bitbucket._shown_columns s ON s.relation = t.relation AND s.shown = k.name
        WHERE t.schema = _add_columns.schema AND s.relation IS NULL
    ), altered AS (
        SELECT format('ALTER FOREIGN TABLE %s %s', l.relation, string_agg(
            format('ADD COLUMN %I %s', l.spelled, l.type) || CASE WHEN l.spelled <> l.name
                THEN format(' OPTIONS (column_name %L)', l.name) ELSE '' END,
            ', ' ORDER BY l.position)) AS statement
        FROM lacking l GROUP BY l.relation
    )
    SELECT array_agg(a.statement) INTO statements FROM altered a;
    IF statements IS NOT NULL THEN
        EXECUTE array_to_string(statements, ';');
    END IF;
    RETURN coalesce(cardinality(statements), 0);
END
$$;

CREATE FUNCTION bitbucket.comment_on(schema name, overwrite boolean DEFAULT false)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    statements text[];
BEGIN
    WITH known_tables AS MATERIALIZED (SELECT * FROM bitbucket.tables),
    known_columns AS MATERIALIZED (SELECT * FROM bitbucket.columns),
    mine AS MATERIALIZED (
        SELECT t.relation, t.table_name
        FROM bitbucket.imported_tables t JOIN pg_class c ON c.oid = t.relation
        WHERE t.schema = comment_on.schema AND pg_has_role(c.relowner, 'USAGE')
    ), comments AS (
        SELECT format('COMMENT ON FOREIGN TABLE %s IS %L', m.relation, k.description) AS statement
        FROM mine m JOIN known_tables k ON k.name = m.table_name
        WHERE overwrite OR obj_description(m.relation, 'pg_class') IS NULL
        UNION ALL
        SELECT format('COMMENT ON COLUMN %s.%I IS %L', m.relation, s.name, k.description)
        FROM mine m JOIN bitbucket._shown_columns s ON s.relation = m.relation
        JOIN known_columns k ON k.table_name = m.table_name AND k.name = s.shown
        WHERE overwrite OR col_description(m.relation, s.number) IS NULL
    )
    SELECT array_agg(c.statement) INTO statements FROM comments c;
    IF statements IS NOT NULL THEN
        EXECUTE array_to_string(statements, ';');
    END IF;
    RETURN coalesce(cardinality(statements), 0);
END
$$;
COMMENT ON FUNCTION bitbucket.comment_on IS
    'Describe the foreign tables of a schema and their columns; the number of comments made';


---- Looking around -------------------------------------------------------------------------------

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


---- Signing in -----------------------------------------------------------------------------------

CREATE FUNCTION bitbucket._call(server name, service text, argument jsonb)
RETURNS SETOF jsonb LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Has the wrapper do something with the server's options and the current user's mapping. As with
-- listings, the foreign table through which it is reached is made for the one statement. The
-- argument travels as a condition: a table option would stand in the catalog.
BEGIN
    PERFORM bitbucket._check(server);
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE read_only_sql_transaction USING
            MESSAGE = format('cannot run bitbucket.%s in a read-only transaction', service),
            HINT = 'It takes a temporary foreign table.';
    ELSIF NOT has_database_privilege(current_database(), 'TEMP') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied to create temporary tables in database "%s"',
                             current_database()),
            HINT = format('bitbucket.%s takes a temporary foreign table.', service);
    END IF;
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
                          'SERVER %I OPTIONS (auth ''oauth2_code'', client_id ''…'', '
                          'client_secret ''…'').', server);
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
