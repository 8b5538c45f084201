-- Names

CREATE FUNCTION bitbucket.schema_name(
    workspace text, repository text DEFAULT NULL, workspace_schema name DEFAULT NULL)
RETURNS name LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
-- The rule is in docs/schemas.md. '-' becomes '_', '_' becomes '__', and '__' separates workspace
-- and repository. The slugs can be told from such a name only if each '-' and '_' stands between
-- letters or digits, and if there is no '_' in the workspace. All other names get a hash of the
-- slugs, so that no two repositories have the same name.
DECLARE
    -- Bitbucket does not tell upper from lower case in slugs. Collation "C" makes lower() the same
    -- in every database; it changes ASCII letters only.
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
    made := coalesce(workspace_schema::text, bitbucket_private.identifier_part(workspace_slug));
    IF repository IS NOT NULL THEN
        plain := plain AND repository_slug ~ '^[a-z0-9]+([-_][a-z0-9]+)*$';
        made := made || '__' || bitbucket_private.identifier_part(repository_slug);
    END IF;
    -- A name that can be typed without quotes does not start with a digit and is no key word.
    -- PostgreSQL reserves names with pg_, and there are schemas with the four names already.
    IF workspace_schema IS NULL AND (made ~ '^pg_' OR quote_ident(made) <> made
        OR made IN ('bitbucket', 'bitbucket_private', 'information_schema', 'public'))
    THEN
        made := '_' || made;
    END IF;
    -- A name that ends as if it had a hash gets one, or it could be that of another repository.
    IF NOT plain OR octet_length(made) > 63 OR made ~ '__[0-9a-f]{8}$' THEN
        made := rtrim(bitbucket_private.cut(made, 63 - length(hash)), '_') || hash;
    END IF;
    RETURN made;
END
$$;
COMMENT ON FUNCTION bitbucket.schema_name IS
    'The schema that a workspace or a repository is imported as';

CREATE FUNCTION bitbucket_private.identifier_part(slug text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN btrim(regexp_replace(replace(replace(slug, '_', '__'), '-', '_'), '[^a-z0-9_]+', '_', 'g'),
             '_');

CREATE FUNCTION bitbucket_private.cut(value text, bytes integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
-- The longest beginning that has at most so many bytes and ends between two characters.
BEGIN
    WHILE octet_length(value) > bytes LOOP
        value := left(value, -1);
    END LOOP;
    RETURN value;
END
$$;
