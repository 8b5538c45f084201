-- What an import makes: schemas, tables, columns and comments

CREATE FUNCTION bitbucket_private.create_schema(schema name) RETURNS void
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

CREATE FUNCTION bitbucket_private.missing_tables(
    names text, families text[], targets bitbucket_private.target[])
RETURNS bitbucket_private.missing[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The names of the tables to make for each target that lacks some. Targets are told by their place
-- in the list.
BEGIN
    RETURN ARRAY(
        WITH known AS MATERIALIZED (SELECT * FROM bitbucket.tables)  -- read once, whatever the plan
        SELECT (x.i, array_agg(
                CASE missing_tables.names WHEN 'snake' THEN k.name ELSE k.flat_name END))
            ::bitbucket_private.missing
        FROM unnest(targets) WITH ORDINALITY x (repository, project, schema, named, tracker, i)
        CROSS JOIN known k
        LEFT JOIN bitbucket_private.shown_tables t
            ON t.schema = x.schema AND t.table_name = k.name
        -- The same as in IMPORT FOREIGN SCHEMA.
        WHERE CASE WHEN x.project IS NOT NULL THEN k.below_project
                   WHEN x.repository IS NOT NULL THEN k.level = 'repository'
                   ELSE k.level = 'workspace' OR missing_tables.names <> 'cdata' END
          AND (x.tracker OR NOT k.needs_issue_tracker)
          AND (families IS NULL OR k.family = ANY (families))
          AND t.relation IS NULL
        GROUP BY x.i);
END
$$;

CREATE FUNCTION bitbucket_private.locks() RETURNS bigint
LANGUAGE sql STABLE
-- How many locks all sessions have between them: see PostgreSQL's max_locks_per_transaction.
RETURN current_setting('max_locks_per_transaction')::bigint
    * (current_setting('max_connections')::bigint
       + current_setting('max_prepared_transactions')::bigint);

CREATE FUNCTION bitbucket_private.check_locks(tables bigint) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Each new table takes a lock until the end of the transaction. If there are not enough locks, this
-- says so at once; otherwise PostgreSQL would run out of them after a minute.
BEGIN
    IF tables > 0.9 * bitbucket_private.locks() THEN
        RAISE program_limit_exceeded USING
            MESSAGE = format('%s tables are too many for one transaction', tables),
            DETAIL = format('Each takes one of %s locks that all sessions share.',
                            bitbucket_private.locks()),
            HINT = 'CALL bitbucket.import_repositories with the same parameters: it commits after '
                   'some repositories at a time. Or import fewer (parameters "repositories" and '
                   '"families"), or have the setting max_locks_per_transaction raised.';
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.create_tables(
    server name, workspace text, target bitbucket_private.target, names text, tables text[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    remote text := concat_ws('/', workspace, target.repository);
    too_long CONSTANT boolean := octet_length(remote) > 63;
BEGIN
    -- The parser cuts identifiers at 63 bytes, and so the name of a remote schema. If the name is
    -- longer, the tables are imported from a made-up one and then bound to the right one. The
    -- import makes no request for it: the tables are listed, and with 'always' nobody asks whether
    -- there is an issue tracker.
    IF too_long THEN
        remote := CASE WHEN target.repository IS NULL THEN 'workspace'
                       ELSE 'workspace/repository' END;
    END IF;
    EXECUTE format(
        'IMPORT FOREIGN SCHEMA %I LIMIT TO (%s) FROM SERVER %I INTO %I '
        'OPTIONS (names %L, issues ''always''%s)',
        remote, (SELECT string_agg(quote_ident(t), ', ') FROM unnest(tables) t), server,
        target.schema, names,
        CASE WHEN target.project IS NULL THEN '' ELSE format(', project %L', target.project) END);
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

CREATE FUNCTION bitbucket_private.column_changes(names text, targets bitbucket_private.target[])
RETURNS TABLE (i integer, statement text) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Statements that make older imports what a new version of the package has: they add columns, and
-- take NOT NULL from those that may have no value, since the planner relies on it.
BEGIN
    RETURN QUERY
        WITH known AS MATERIALIZED (
            SELECT x.i, t.relation, k.position, k.type, k.nullable, k.name,
                   CASE column_changes.names WHEN 'snake' THEN k.name ELSE k.flat_name END
                       AS spelled,
                   CASE column_changes.names WHEN 'cdata' THEN k.label END AS label,
                   s.number
            FROM unnest(targets) WITH ORDINALITY x (repository, project, schema, named, tracker, i)
            JOIN bitbucket_private.shown_tables t ON t.schema = x.schema
            JOIN bitbucket.columns k ON k.table_name = t.table_name
            LEFT JOIN bitbucket_private.shown_columns s
                ON s.relation = t.relation AND s.shown = k.name
        ),
        changes AS (
            SELECT k.i, k.relation, k.position, format('ADD COLUMN %I %s', k.spelled, k.type)
                || coalesce(' OPTIONS (' || nullif(concat_ws(', ',
                    CASE WHEN k.spelled <> k.name THEN format('column_name %L', k.name) END,
                    'label ' || quote_literal(k.label)), '') || ')', '')
                || CASE WHEN k.nullable THEN '' ELSE ' NOT NULL' END AS change
            FROM known k WHERE k.number IS NULL
            UNION ALL
            SELECT k.i, k.relation, k.position,
                   format('ALTER COLUMN %I DROP NOT NULL', a.attname)
            FROM known k
            JOIN pg_attribute a ON a.attrelid = k.relation AND a.attnum = k.number
            WHERE k.nullable AND a.attnotnull
        )
        SELECT c.i::integer, format('ALTER FOREIGN TABLE %s %s', c.relation,
                                    string_agg(c.change, ', ' ORDER BY c.position))
        FROM changes c GROUP BY c.i, c.relation;
END
$$;

CREATE FUNCTION bitbucket_private.describe(schemas name[], overwrite boolean) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Describes tables and columns that have no comment, or all of them. Returns the number of
-- comments.
DECLARE
    statement text;
    number bigint := 0;
BEGIN
    FOR statement IN
        WITH known_tables AS MATERIALIZED (SELECT * FROM bitbucket.tables),
        known_columns AS MATERIALIZED (SELECT * FROM bitbucket.columns),
        mine AS MATERIALIZED (
            SELECT t.relation, t.table_name
            FROM bitbucket_private.shown_tables t JOIN pg_class c ON c.oid = t.relation
            WHERE t.schema = ANY (schemas) AND pg_has_role(c.relowner, 'USAGE')
        )
        -- PostgreSQL has no keys on foreign tables, so that the comment has to name them.
        SELECT format('COMMENT ON FOREIGN TABLE %s IS %L', m.relation, k.description || coalesce((
            SELECT '. Key: ' || string_agg(s.name, ', ' ORDER BY p.i)
            FROM unnest(k.primary_key) WITH ORDINALITY p (part, i)
            JOIN bitbucket_private.shown_columns s ON s.relation = m.relation AND s.shown = p.part),
            ''))
        FROM mine m JOIN known_tables k ON k.name = m.table_name
        WHERE overwrite OR obj_description(m.relation, 'pg_class') IS NULL
        UNION ALL
        SELECT format('COMMENT ON COLUMN %s.%I IS %L', m.relation, s.name, k.description)
        FROM mine m JOIN bitbucket_private.shown_columns s ON s.relation = m.relation
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
RETURN bitbucket_private.describe(ARRAY[schema], overwrite);
COMMENT ON FUNCTION bitbucket.comment_on IS
    'Describe the foreign tables of a schema and their columns; the number of comments made';
