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
