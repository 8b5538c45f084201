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
    RETURN bitbucket_private.unmistakable(made, plain, slugs);
END
$$;
COMMENT ON FUNCTION bitbucket.schema_name IS
    'The schema that a workspace or a repository is imported as';

CREATE FUNCTION bitbucket_private.cdata_schema_name(
    workspace text, repository text, project text, workspace_schema name)
RETURNS name LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
-- The rule of names 'cdata'. As with that driver, the workspace is no part of the names, unless the
-- caller names its schema: then the others begin with that name. Projects begin with project_. A
-- repository whose name would begin so gets '_' in front, as does one whose name is taken.
DECLARE
    slug CONSTANT text COLLATE "C" := lower(coalesce(project, repository) COLLATE "C");
    made text COLLATE "C" := bitbucket_private.identifier_part(slug);
BEGIN
    IF slug IS NULL THEN
        RETURN coalesce(workspace_schema, 'information');
    ELSIF project IS NOT NULL THEN
        made := 'project_' || made;
    ELSIF made ~ '^(pg|project)_' OR quote_ident(made) <> made OR made IN (
        'bitbucket', 'bitbucket_private', 'information', 'information_schema', 'public')
    THEN
        made := '_' || made;
    END IF;
    RETURN bitbucket_private.unmistakable(
        coalesce(workspace_schema || '__', '') || made, slug ~ '^[a-z0-9]+([-_][a-z0-9]+)*$',
        lower(concat_ws('/', workspace, CASE WHEN project IS NOT NULL THEN 'project' END, slug)
              COLLATE "C"));
END
$$;

CREATE FUNCTION bitbucket_private.default_name(
    names text, workspace text, repository text, project text, workspace_schema name DEFAULT NULL)
RETURNS name LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE names
    WHEN 'cdata' THEN
        bitbucket_private.cdata_schema_name(workspace, repository, project, workspace_schema)
    ELSE bitbucket.schema_name(workspace, repository, workspace_schema) END;

CREATE FUNCTION bitbucket_private.unmistakable(made text, plain boolean, slugs text) RETURNS name
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
-- A name that could be that of other slugs as well gets a hash of these. So does one that ends as
-- if it had a hash.
DECLARE
    hash CONSTANT text := '__' || left(encode(sha256(convert_to(slugs, 'UTF8')), 'hex'), 8);
BEGIN
    IF NOT plain OR octet_length(made) > 63 OR made COLLATE "C" ~ '__[0-9a-f]{8}$' THEN
        RETURN rtrim(bitbucket_private.cut(made, 63 - length(hash)), '_') || hash;
    END IF;
    RETURN made;
END
$$;

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
