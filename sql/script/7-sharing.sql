-- What sessions share: answers that are kept, and the requests of an hour

CREATE FUNCTION bitbucket.cache_stats(server name)
RETURNS TABLE (entries bigint, bytes bigint, hits bigint, misses bigint, waits bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said bitbucket_private.error;
BEGIN
    RETURN QUERY
        SELECT c.* FROM bitbucket_private.call(server, 'cache_stats', '{}') result
        CROSS JOIN LATERAL jsonb_to_record(result) c (
            entries bigint, bytes bigint, hits bigint, misses bigint, waits bigint);
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
COMMENT ON FUNCTION bitbucket.cache_stats IS
    'What server option cache_ttl keeps of the server''s answers, and what this session had of them';

CREATE FUNCTION bitbucket.clear_cache(server name)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said bitbucket_private.error;
BEGIN
    RETURN (SELECT (result ->> 'removed')::bigint
            FROM bitbucket_private.call(server, 'clear_cache', '{}') result);
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
COMMENT ON FUNCTION bitbucket.clear_cache IS
    'Remove the answers that server option cache_ttl keeps, for all sessions; returns how many';

CREATE FUNCTION bitbucket.rate_limit(server name)
RETURNS TABLE (resources text, used bigint, hourly_limit bigint, remaining bigint,
               frees_at timestamptz)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said bitbucket_private.error;
BEGIN
    RETURN QUERY
        SELECT c.resources, c.used, c.hourly_limit, c.remaining, to_timestamp(c.frees_at)
        FROM bitbucket_private.call(server, 'rate_limit', '{}') result
        CROSS JOIN LATERAL jsonb_to_record(result) c (
            resources text, used bigint, hourly_limit bigint, remaining bigint,
            frees_at double precision);
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
COMMENT ON FUNCTION bitbucket.rate_limit IS
    'The requests that all sessions have made within an hour with the user''s credential';
