-- Importing many repositories

CREATE PROCEDURE bitbucket.import_repositories(
    server name, workspace text, names text DEFAULT 'snake', issues text DEFAULT 'auto',
    repositories text[] DEFAULT NULL, schema name DEFAULT NULL, families text[] DEFAULT NULL,
    batch integer DEFAULT NULL)
LANGUAGE plpgsql AS $$
-- The same as import_workspace, with a COMMIT after each batch of repositories, because a
-- transaction holds a lock on each table that it makes. What is there already is left alone.
-- Therefore a run that was ended goes on where it stopped when the procedure is called again.
--
-- A procedure with SET in its head cannot COMMIT. So the search path is set in the body, and again
-- after each COMMIT, which resets it. Before that, all names are written with their schemas.
--
-- In READ COMMITTED it sees, once it has the lock, what the session that had the lock before has
-- made. With another default_transaction_isolation it would try to make that again, and fail.
DECLARE
    listing bitbucket_private.repository[];
    projects pg_catalog.text[];
    wishes bitbucket_private.wish[];
    first bitbucket_private.wish[];
    part bitbucket_private.wish[];
    slug pg_catalog.text;
    number pg_catalog.int4;
    refused pg_catalog.int4;
    done pg_catalog.int4 := 0;
    in_a_row pg_catalog.int4 := 0;
BEGIN
    PERFORM bitbucket_private.fix_search_path();
    PERFORM bitbucket_private.check_no_block('import_repositories', 'bitbucket.import_workspace');
    -- A function that calls this procedure does not allow a COMMIT either. This one shows it before
    -- anything is done.
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM bitbucket_private.fix_search_path();
    PERFORM bitbucket_private.check_server(server),
            bitbucket_private.require('workspace', workspace),
            bitbucket_private.check_options(names, issues, families),
            bitbucket_private.check_batch(batch);
    listing := ARRAY(SELECT r FROM bitbucket_private.repositories(server, ARRAY[workspace]) r);
    slug := coalesce((listing[1]).workspace, lower(workspace COLLATE "C"));
    IF repositories IS NULL AND bitbucket_private.parts_projects(names, families) THEN
        projects := bitbucket_private.projects(server, slug);
    END IF;
    wishes := bitbucket_private.wishes(
        server, slug, names, listing, projects, issues, repositories, schema);
    -- The schemas of the workspace and of its projects.
    first := ARRAY(SELECT w FROM unnest(wishes) w WHERE w.repository IS NULL);

    -- This is outside of the loop, so that its errors end the procedure. They would probably be
    -- those of all repositories.
    PERFORM bitbucket_private.lock(server, slug);
    PERFORM bitbucket_private.import(server, slug, names, families, first);
    wishes := wishes[cardinality(first) + 1 :];
    number := cardinality(wishes);
    batch := least(coalesce(batch, bitbucket_private.batch_size(names, families)), greatest(number, 1));
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM bitbucket_private.fix_search_path();
    WHILE done < number LOOP
        part := wishes[done + 1 : done + batch];
        PERFORM bitbucket_private.lock(server, slug);
        refused := bitbucket_private.import_part(server, slug, names, families, part);
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM bitbucket_private.fix_search_path();
        done := done + cardinality(part);
        in_a_row := CASE WHEN refused = cardinality(part) THEN in_a_row + refused ELSE 0 END;
        RAISE NOTICE '% of % repositories of workspace "%"', done, number, slug;
        IF in_a_row >= 20 OR in_a_row = number THEN
            RAISE object_not_in_prerequisite_state USING
                MESSAGE = format('the last %s repositories could not be imported', in_a_row),
                DETAIL = 'A WARNING for each of them says why.',
                HINT = 'What was imported before stays. Call it again when the cause is mended.';
        END IF;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE bitbucket.import_repositories IS
    'As import_workspace, for many repositories: commits after some of them at a time';

CREATE FUNCTION bitbucket_private.fix_search_path() RETURNS void
LANGUAGE sql
-- It lasts until the end of the transaction.
RETURN set_config('search_path', 'pg_catalog, pg_temp', true);

CREATE FUNCTION bitbucket_private.check_no_block(procedure text, instead text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT t.in_block FROM bitbucket_private.transaction t) THEN
        RAISE active_sql_transaction USING
            MESSAGE = format('%s cannot run inside a transaction block', procedure),
            DETAIL = 'It commits after each batch.',
            HINT = format('CALL it by itself, with the client''s autocommit on. Inside of a '
                          'transaction there is %s.', instead);
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.check_batch(batch integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF batch < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for parameter "batch": %s', batch),
            HINT = 'It is a number of repositories, 1 or more. Leave it out to have as many as the '
                   'server''s locks allow.';
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.batch_size(names text, families text[]) RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- As many repositories as can be imported with a quarter of the server's locks, because other
-- sessions need locks, too. It is at most 200, so that little has to be done again if a run is
-- ended.
DECLARE
    each CONSTANT bigint := (
        SELECT count(*) + bitbucket_private.system_views(names) FROM bitbucket.tables t
        WHERE t.level = 'repository' AND (families IS NULL OR t.family = ANY (families)));
BEGIN
    RETURN least(200, greatest(1, bitbucket_private.locks() / 4 / greatest(1, each)));
END
$$;

CREATE FUNCTION bitbucket_private.import_part(
    server name, workspace text, names text, families text[], wishes bitbucket_private.wish[])
RETURNS integer LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Imports all of them together, or if that fails one by one. Returns how many could not be
-- imported.
BEGIN
    PERFORM bitbucket_private.import(server, workspace, names, families, wishes);
    RETURN 0;
EXCEPTION WHEN OTHERS THEN
    RETURN (SELECT count(*) FROM unnest(wishes) w
            WHERE NOT bitbucket_private.import_or_warn(server, workspace, names, families, w));
END
$$;

CREATE FUNCTION bitbucket_private.import_or_warn(
    server name, workspace text, names text, families text[], wish bitbucket_private.wish)
RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Returns whether the repository could be imported. If not, a WARNING says why.
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM bitbucket_private.import(server, workspace, names, families, ARRAY[wish]);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    RAISE WARNING USING
        MESSAGE = format('repository "%s/%s" was not imported: %s', workspace, wish.repository,
                         message),
        DETAIL = coalesce(nullif(detail, ''), 'The other repositories are imported all the same.'),
        HINT = coalesce(nullif(hint, ''), 'Import it again once the cause is mended.');
    RETURN false;
END
$$;
