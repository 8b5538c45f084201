\echo Use "ALTER EXTENSION bitbucket_fdw UPDATE" to load this file. \quit

-- An update removes what the version before has made and runs the script of a new installation. So
-- both end with the same objects, whichever version it was. Imported tables, servers and user
-- mappings do not belong to the extension. The schemas stay, with their privileges and with what
-- others may have made in them.

DO $$
DECLARE
    extension CONSTANT oid := (SELECT oid FROM pg_extension WHERE extname = 'bitbucket_fdw');
    changed text;
    number bigint;
    object record;
    dropped bigint;
    blocked text;
    depending text;
BEGIN
    -- What is granted in an extension's script counts as its default, which pg_dump leaves out. So
    -- privileges cannot be kept here without losing them in the next dump.
    SELECT string_agg(format('%s: %s', o.described, o.now), E'\n' ORDER BY o.described), count(*)
    INTO changed, number
    FROM (
        SELECT pg_describe_object(d.classid, d.objid, 0) AS described,
               coalesce(a.acl, acldefault(a.kind, a.owner)) AS now,
               coalesce(p.initprivs, acldefault(a.kind, a.owner)) AS before
        FROM pg_depend d
        JOIN (
            SELECT 'pg_proc'::regclass AS class, oid, proacl AS acl, 'f'::"char" AS kind,
                   proowner AS owner
            FROM pg_proc
            UNION ALL SELECT 'pg_class'::regclass, oid, relacl, 'r', relowner FROM pg_class
            UNION ALL SELECT 'pg_type'::regclass, oid, typacl, 'T', typowner FROM pg_type
            UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvacl, 'S', srvowner
            FROM pg_foreign_server
        ) a ON a.class = d.classid AND a.oid = d.objid
        LEFT JOIN pg_init_privs p
            ON p.classoid = d.classid AND p.objoid = d.objid AND p.objsubid = 0
        WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = extension
          AND d.deptype = 'e'
    ) o
    WHERE NOT (o.now @> o.before AND o.before @> o.now);
    IF changed IS NOT NULL THEN
        RAISE WARNING USING
            MESSAGE = format('privileges on objects of extension "bitbucket_fdw" are reset to its '
                             'defaults (%s objects)', number),
            DETAIL = changed,
            HINT = 'Those that were granted or revoked are listed. Do it again after the update.';
    END IF;

    -- Each pass drops what no other object needs any more.
    LOOP
        dropped := 0;
        blocked := NULL;
        FOR object IN
            SELECT i.type, i.identity
            FROM pg_depend d, pg_identify_object(d.classid, d.objid, 0) i
            WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = extension
              AND d.deptype = 'e' AND d.classid <> 'pg_namespace'::regclass
              -- PostgreSQL 18 lists the array type of a type as well. It goes with that type.
              AND NOT EXISTS (
                  SELECT FROM pg_depend part
                  WHERE part.classid = d.classid AND part.objid = d.objid AND part.deptype = 'i'
              )
            ORDER BY d.classid <> 'pg_event_trigger'::regclass, d.objid DESC
        LOOP
            BEGIN
                EXECUTE format('DROP %s %s', object.type, object.identity);
                dropped := dropped + 1;
            EXCEPTION WHEN dependent_objects_still_exist THEN
                GET STACKED DIAGNOSTICS blocked = MESSAGE_TEXT, depending = PG_EXCEPTION_DETAIL;
            END;
        END LOOP;
        EXIT WHEN blocked IS NULL;
        IF dropped = 0 THEN
            RAISE dependent_objects_still_exist USING
                MESSAGE = 'cannot update extension "bitbucket_fdw": ' || blocked,
                DETAIL = depending,
                HINT = 'Drop what depends on it, update, and create it again. '
                       'Nothing has been changed.';
        END IF;
    END LOOP;

    -- The first versions had one schema only.
    IF NOT EXISTS (
        SELECT FROM pg_depend
        WHERE refclassid = 'pg_extension'::regclass AND refobjid = extension AND deptype = 'e'
          AND classid = 'pg_namespace'::regclass
          AND objid = to_regnamespace('bitbucket_private')
    ) THEN
        CREATE SCHEMA bitbucket_private;
        GRANT USAGE ON SCHEMA bitbucket_private TO PUBLIC;
    END IF;
END
$$;
