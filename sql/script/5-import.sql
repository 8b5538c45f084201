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
    'Repository slug; NULL for the schema of the workspace, or of a project of it';
COMMENT ON COLUMN bitbucket.import_result.schema IS 'The schema';
COMMENT ON COLUMN bitbucket.import_result.tables IS 'Number of tables made now';
COMMENT ON COLUMN bitbucket.import_result.status IS
    'created, extended (by tables or columns), unchanged, or gone: no longer there or visible';

-- A wish is a schema to make or to complete. If repository and project are NULL it is the
-- workspace's own schema. If named is NULL the name follows from the rule. tracker says whether the
-- issue tables are wanted. A target is a wish whose schema is known, and missing are the tables that
-- a target does not have.
CREATE TYPE bitbucket_private.wish AS
    (repository text, project text, named name, tracker boolean);
CREATE TYPE bitbucket_private.target AS
    (repository text, project text, schema name, named boolean, tracker boolean);
CREATE TYPE bitbucket_private.missing AS (target integer, tables text[]);

CREATE FUNCTION bitbucket.import_workspace(
    server name, workspace text, names text DEFAULT 'snake', issues text DEFAULT 'auto',
    repositories text[] DEFAULT NULL, schema name DEFAULT NULL, families text[] DEFAULT NULL)
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listing bitbucket_private.repository[];
    projects text[];
    slug text := lower(workspace COLLATE "C");
    said bitbucket_private.error;
BEGIN
    PERFORM bitbucket_private.check_server(server),
            bitbucket_private.require('workspace', workspace),
            bitbucket_private.check_options(names, issues, families);
    PERFORM bitbucket_private.lock(server, slug);
    -- One listing tells which repositories there are, and which of them have an issue tracker.
    listing := ARRAY(SELECT r FROM bitbucket_private.repositories(server, ARRAY[workspace]) r);
    slug := coalesce((listing[1]).workspace, slug);
    IF repositories IS NULL AND bitbucket_private.parts_projects(names, families) THEN
        projects := bitbucket_private.projects(server, slug);
    END IF;
    RETURN QUERY SELECT i.* FROM bitbucket_private.import(server, slug, names, families,
        bitbucket_private.wishes(
            server, slug, names, listing, projects, issues, repositories, schema)) i;
    IF NOT FOUND THEN
        PERFORM bitbucket_private.note_nothing(slug, families);
    END IF;
    RETURN QUERY
        SELECT DISTINCT t.workspace, t.repository, t.schema, 0, 'gone'
        FROM bitbucket.imported_tables t
        WHERE t.server = import_workspace.server AND t.workspace = lower(slug)
          AND (t.repository NOT IN (SELECT lower(l.slug) FROM unnest(listing) l)
               OR t.project <> ALL (projects))
        ORDER BY 2, 3;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said.state = RETURNED_SQLSTATE, said.message = MESSAGE_TEXT,
        said.detail = PG_EXCEPTION_DETAIL, said.hint = PG_EXCEPTION_HINT;
    IF said.hint = '' THEN
        RAISE;
    ELSIF said.detail = '' THEN
        RAISE USING ERRCODE = said.state, MESSAGE = said.message, HINT = said.hint;
    END IF;
    RAISE USING ERRCODE = said.state, MESSAGE = said.message, DETAIL = said.detail,
        HINT = said.hint;
END
$$;
COMMENT ON FUNCTION bitbucket.import_workspace IS
    'Make a schema for a workspace and for each of its repositories, or add what is new';

CREATE FUNCTION bitbucket.import_repository(
    server name, workspace text, repository text, schema name DEFAULT NULL,
    names text DEFAULT 'snake', issues text DEFAULT 'auto', families text[] DEFAULT NULL)
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listed bitbucket_private.repository;
    said bitbucket_private.error;
BEGIN
    PERFORM bitbucket_private.check_server(server),
            bitbucket_private.require('workspace', workspace),
            bitbucket_private.require('repository', repository),
            bitbucket_private.check_options(names, issues, families);
    PERFORM bitbucket_private.lock(server, lower(workspace COLLATE "C"));
    SELECT r.* INTO listed
    FROM bitbucket_private.repositories(server, ARRAY[workspace], repository) r;
    IF NOT FOUND THEN
        PERFORM bitbucket_private.no_repository(server, workspace, repository);
    END IF;
    RETURN QUERY SELECT i.* FROM bitbucket_private.import(
        server, listed.workspace, names, families, ARRAY[
        (listed.slug, NULL, schema, coalesce(nullif(issues, 'auto') = 'always', listed.has_issues))
            ::bitbucket_private.wish]) i;
    IF NOT FOUND THEN
        PERFORM bitbucket_private.note_nothing(
            concat_ws('/', listed.workspace, listed.slug), families);
    END IF;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said.state = RETURNED_SQLSTATE, said.message = MESSAGE_TEXT,
        said.detail = PG_EXCEPTION_DETAIL, said.hint = PG_EXCEPTION_HINT;
    IF said.hint = '' THEN
        RAISE;
    ELSIF said.detail = '' THEN
        RAISE USING ERRCODE = said.state, MESSAGE = said.message, HINT = said.hint;
    END IF;
    RAISE USING ERRCODE = said.state, MESSAGE = said.message, DETAIL = said.detail,
        HINT = said.hint;
END
$$;
COMMENT ON FUNCTION bitbucket.import_repository IS
    'Make a schema for a repository, or add what is new to it';

CREATE FUNCTION bitbucket_private.parts_projects(names text, families text[]) RETURNS boolean
LANGUAGE sql STABLE
-- Whether projects get schemas of their own, as CData's driver has them.
RETURN names = 'cdata' AND EXISTS (
    SELECT FROM bitbucket.tables t
    WHERE t.below_project AND (families IS NULL OR t.family = ANY (families)));

CREATE FUNCTION bitbucket_private.wishes(
    server name, workspace text, names text, listing bitbucket_private.repository[],
    projects text[], issues text, repositories text[], schema name)
RETURNS bitbucket_private.wish[] LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- The workspace's own schema first, those of its projects, if these get some, then those of its
-- repositories, or of the ones that are named.
DECLARE
    wanted text[] COLLATE "C" := ARRAY(SELECT lower(r COLLATE "C") FROM unnest(repositories) r);
BEGIN
    IF repositories IS NULL THEN
        wanted := ARRAY(SELECT lower(l.slug) FROM unnest(listing) l);
    END IF;
    PERFORM bitbucket_private.require('repositories', w) FROM unnest(wanted) w;
    PERFORM bitbucket_private.no_repository(server, workspace, w)
    FROM unnest(wanted) w WHERE w NOT IN (SELECT lower(l.slug) FROM unnest(listing) l);
    RETURN ARRAY(
        SELECT (w.repository, w.project,
                CASE WHEN schema IS NULL THEN NULL
                     WHEN w.repository IS NULL AND w.project IS NULL THEN schema
                     ELSE bitbucket_private.default_name(
                         names, wishes.workspace, w.repository, w.project, schema) END,
                coalesce(nullif(issues, 'auto') = 'always', w.tracker))
            ::bitbucket_private.wish
        FROM (
            SELECT NULL AS repository, NULL AS project,
                   coalesce(bool_or(l.has_issues), false) AS tracker
            FROM unnest(listing) l
            UNION ALL
            SELECT NULL, p, false FROM unnest(projects) p
            UNION ALL
            SELECT l.slug, NULL, l.has_issues
            FROM unnest(listing) l WHERE lower(l.slug) = ANY (wanted)
        ) w
        ORDER BY w.repository COLLATE "C" NULLS FIRST, w.project COLLATE "C" NULLS FIRST);
END
$$;

CREATE FUNCTION bitbucket_private.check_options(names text, issues text, families text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known text[];
BEGIN
    IF names IS NULL OR names NOT IN ('snake', 'flat', 'cdata') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for parameter "names": %L', names),
            HINT = 'It is one of: snake, flat, cdata'
                || CASE WHEN lower(names) IN ('snake', 'flat', 'cdata') THEN ', in lower case.'
                        ELSE '.' END;
    ELSIF issues IS NULL OR issues NOT IN ('auto', 'always', 'never') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for parameter "issues": %L', issues),
            HINT = 'It is one of: auto, always, never'
                || CASE WHEN lower(issues) IN ('auto', 'always', 'never') THEN ', in lower case.'
                        ELSE '.' END;
    ELSIF families IS NOT NULL THEN
        known := ARRAY(
            SELECT f.family
            FROM (SELECT t.family, row_number() OVER () AS i FROM bitbucket.tables t) f
            GROUP BY f.family ORDER BY min(f.i));
        IF families = '{}' OR NOT families <@ known THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('invalid value for parameter "families": %L', families),
                HINT = format('It is a list of: %s. Leave it out for all of them.',
                              array_to_string(known, ', '));
        END IF;
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.note_nothing(place text, families text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- With all families there is always something to import.
BEGIN
    RAISE NOTICE USING
        MESSAGE = format('nothing to import for "%s" of families %s', place,
                         array_to_string(families, ', ')),
        HINT = 'bitbucket.tables has the family of each table, and whether it stands in schemas of '
               'repositories.';
END
$$;

CREATE FUNCTION bitbucket_private.no_repository(server name, workspace text, repository text)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE no_data_found USING
        MESSAGE = format('workspace "%s" has no repository "%s"', workspace, repository),
        HINT = format('See bitbucket.schemas(%L, %L). Bitbucket leaves out what the credential may '
                      'not see.', server, workspace);
END
$$;

CREATE FUNCTION bitbucket_private.lock(server name, workspace text) RETURNS void
LANGUAGE sql
-- Sessions that import the same workspace wait for each other, until the end of the transaction.
RETURN pg_advisory_xact_lock(
    hashtextextended(concat_ws(' ', 'bitbucket_fdw', server, workspace), 0));

CREATE FUNCTION bitbucket_private.label(workspace text, repository text, project text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- The comment on a schema that an import made. A later import finds the schema by it.
RETURN CASE WHEN project IS NOT NULL THEN format('Bitbucket project %s/%s', workspace, project)
            WHEN repository IS NULL THEN format('Bitbucket workspace %s', workspace)
            ELSE format('Bitbucket repository %s/%s', workspace, repository) END;

-- The following functions work on all schemas of a call at once. If each schema took a pass over
-- all foreign tables, the time would grow with the square of the number of repositories.

CREATE FUNCTION bitbucket_private.import(
    server name, workspace text, names text, families text[], wishes bitbucket_private.wish[])
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    targets CONSTANT bitbucket_private.target[] :=
        bitbucket_private.targets(server, workspace, names, wishes);
    lacking CONSTANT bitbucket_private.missing[] :=
        bitbucket_private.missing_tables(names, families, targets);
    results bitbucket.import_result[];
    missing bitbucket_private.missing;
    step record;
BEGIN
    PERFORM bitbucket_private.check_targets(server, workspace, names, targets);
    PERFORM bitbucket_private.check_locks(
        sum(cardinality(l.tables) + bitbucket_private.system_views(names)))
    FROM unnest(lacking) l;
    -- A schema that would have no table of the chosen families is not made. Its status is NULL.
    results := ARRAY(
        SELECT (workspace, t.repository, t.schema, 0,
                CASE WHEN n.oid IS NOT NULL THEN 'unchanged'
                     WHEN l.target IS NOT NULL THEN 'created' END)
            ::bitbucket.import_result
        FROM unnest(targets) WITH ORDINALITY t (repository, project, schema, named, tracker, i)
        LEFT JOIN pg_namespace n ON n.nspname = t.schema
        LEFT JOIN unnest(lacking) l ON l.target = t.i
        ORDER BY t.i);
    PERFORM bitbucket_private.create_schema(r.schema)
    FROM unnest(results) r WHERE r.status = 'created';

    FOREACH missing IN ARRAY lacking LOOP
        PERFORM bitbucket_private.create_tables(
            server, workspace, targets[missing.target], names, missing.tables);
        results[missing.target].tables := cardinality(missing.tables);
    END LOOP;
    FOR step IN SELECT * FROM bitbucket_private.column_changes(names, targets) LOOP
        EXECUTE step.statement;
        IF results[step.i].status = 'unchanged' THEN
            results[step.i].status := 'extended';
        END IF;
    END LOOP;
    PERFORM bitbucket_private.describe(ARRAY(SELECT t.schema FROM unnest(targets) t), false);
    IF names = 'cdata' THEN
        PERFORM bitbucket.show_system_views(r.schema)
        FROM unnest(results) r WHERE r.status IS NOT NULL;
    END IF;

    -- The comment by which a schema is found again. A comment that is there already is left alone.
    FOR step IN
        SELECT format('COMMENT ON SCHEMA %I IS %L', t.schema,
                      bitbucket_private.label(workspace, t.repository, t.project)) AS statement
        FROM unnest(targets) t JOIN pg_namespace n ON n.nspname = t.schema
        WHERE obj_description(n.oid, 'pg_namespace') IS NULL AND pg_has_role(n.nspowner, 'USAGE')
    LOOP
        EXECUTE step.statement;
    END LOOP;
    RETURN QUERY
        SELECT r.workspace, r.repository, r.schema, r.tables,
               CASE WHEN r.status = 'unchanged' AND r.tables > 0 THEN 'extended' ELSE r.status END
        FROM unnest(results) r WHERE r.status IS NOT NULL;
END
$$;

CREATE FUNCTION bitbucket_private.targets(
    server name, workspace text, names text, wishes bitbucket_private.wish[])
RETURNS bitbucket_private.target[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The schema for each wish. It is the one that the caller named. Otherwise it is the one that an
-- earlier import made, which may have been renamed. Otherwise it is the one of the rule. The
-- comment tells a schema that an import made from one in which somebody put a foreign table of
-- their own.
BEGIN
    RETURN ARRAY(
        WITH made AS (
            SELECT t.repository, t.project, t.schema, n.oid
            FROM bitbucket.imported_tables t JOIN pg_namespace n ON n.nspname = t.schema
            -- Schemas of other roles do not count: somebody could make one to be found here.
            WHERE t.server = targets.server AND t.workspace = lower(targets.workspace)
              AND pg_has_role(n.nspowner, 'USAGE')
            GROUP BY t.repository, t.project, t.schema, n.oid
            HAVING bool_and(t.names = targets.names) IS NOT FALSE
        ), best AS (
            SELECT DISTINCT ON (m.repository, m.project) m.repository, m.project, m.schema
            FROM made m
            WHERE lower(obj_description(m.oid, 'pg_namespace'))
                = lower(bitbucket_private.label(targets.workspace, m.repository, m.project))
            ORDER BY m.repository, m.project,
                     m.schema <> bitbucket_private.default_name(
                         names, workspace, m.repository, m.project),
                     m.oid
        )
        SELECT (w.repository, w.project,
                coalesce(w.named, b.schema, bitbucket_private.default_name(
                    names, workspace, w.repository, w.project)),
                w.named IS NOT NULL, w.tracker)::bitbucket_private.target
        FROM unnest(wishes) WITH ORDINALITY w (repository, project, named, tracker, i)
        LEFT JOIN best b ON lower(w.repository) IS NOT DISTINCT FROM b.repository
            AND w.project IS NOT DISTINCT FROM b.project
        ORDER BY w.i);
END
$$;

CREATE FUNCTION bitbucket_private.check_targets(
    server name, workspace text, names text, targets bitbucket_private.target[])
RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Raises an error if an existing schema must not get the tables. This is so if it has tables of
-- another repository, or tables whose names are spelled in the other way. Unless the caller named
-- the schema, it is also so if it has other objects, or belongs to another role, which could later
-- replace a table by a view of its own.
DECLARE
    hint CONSTANT text := 'Give another name as parameter "schema".';
    asking CONSTANT text := hint || ' To have these in it all the same, give its own.';
    place record;
BEGIN
    FOR place IN
        SELECT x.schema, x.named, n.oid, n.nspowner AS owner, count(t.relation) AS tables,
               string_agg(DISTINCT concat_ws('/', t.workspace, t.repository, t.project)
                                   || format(' (server %s)', t.server), ', ')
                   FILTER (WHERE t.relation IS NOT NULL
                       AND (t.server, t.workspace, t.repository, t.project) IS DISTINCT FROM
                           (check_targets.server, lower(check_targets.workspace),
                            lower(x.repository), x.project)) AS others,
               max(t.names) FILTER (WHERE t.names <> check_targets.names) AS names
        FROM unnest(targets) x
        JOIN pg_namespace n ON n.nspname = x.schema
        LEFT JOIN bitbucket.imported_tables t ON t.schema = x.schema
        GROUP BY x.schema, x.named, x.repository, x.project, n.oid, n.nspowner
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
