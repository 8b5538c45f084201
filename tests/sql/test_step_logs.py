"""Logs of steps: read for pipelines that are named, from a store, and cut where they are long."""

from __future__ import annotations

import psycopg
import pytest

from tests.sql.querying import Both, paths

LONG = (
    "SELECT pipeline_uuid::text, step_uuid::text, bytes_total FROM website_x.pipeline_step_logs "
    "ORDER BY bytes_total DESC LIMIT 1"
)


def test_each_step_is_asked_for_its_log_and_some_have_none(fresh: Both) -> None:
    """Of a pipeline with a step that has begun and one that has not."""
    [(repository, pipeline, steps)] = fresh.db.rows(
        "SELECT repository, pipeline_uuid::text, count(*) FROM acme_x.pipeline_steps GROUP BY 1, 2 "
        "HAVING count(started_on) > 0 AND count(started_on) < count(*) LIMIT 1"
    )
    where = f"repository = '{repository}' AND pipeline_uuid = '{pipeline}'"
    result = fresh.query(f"SELECT step_uuid, log FROM pipeline_step_logs WHERE {where}", on="acme")
    assert 0 < len(result.rows) < steps
    assert result.notices == []
    asked = paths(result)
    assert sum(path.endswith("/log") for path in asked) == steps
    assert len(asked) == steps + 1, "the steps, and a log for each"


def test_of_a_step_that_is_named_only_its_log_is_asked_for(fresh: Both) -> None:
    [(pipeline, step, length)] = fresh.db.rows(LONG)
    where = f"pipeline_uuid = '{pipeline}' AND step_uuid = '{step}'"
    result = fresh.query(f"SELECT bytes_total, log FROM pipeline_step_logs WHERE {where}")
    [(told, log)] = result.rows
    assert told == length > len(log) / 4
    assert "\x1b[32m+ " in log, "colours stay"
    assert log.endswith("\ufffd\ufffd\n"), "what is no character is shown as such"
    assert len(result.requests) == 1


def test_a_long_log_is_cut_with_a_warning(fresh: Both) -> None:
    [(pipeline, step, length)] = fresh.db.rows(LONG)
    where = f"pipeline_uuid = '{pipeline}' AND step_uuid = '{step}'"
    whole = fresh.db.value(f"SELECT log FROM website_x.pipeline_step_logs WHERE {where}")
    fresh.db.execute("ALTER SERVER bitbucket OPTIONS (ADD max_text_size '1')")
    try:
        fresh.db.notices.clear()
        [(log, told)] = fresh.db.rows(
            f"SELECT log, bytes_total FROM website.pipeline_step_logs WHERE {where}"
        )
        [notice] = fresh.db.notices
        fresh.db.notices.clear()
        assert fresh.db.rows(f"SELECT bytes_total FROM website.pipeline_step_logs WHERE {where}")
        assert fresh.db.notices == [], "nothing is left out of this"
    finally:
        fresh.db.execute("ALTER SERVER bitbucket OPTIONS (DROP max_text_size)")
    assert told == length > 1024
    assert whole.startswith(log)
    assert 1024 - 4 < len(log.encode()) <= 1024
    assert notice.startswith("WARNING: pipeline_step_logs: text ")
    assert "is cut short" in notice


def test_without_a_pipeline_it_is_refused_and_explained(sql: Both) -> None:
    with pytest.raises(psycopg.errors.Error, match="condition on pipeline_uuid"):
        sql.db.rows("SELECT * FROM website.pipeline_step_logs")
    assert "refused without a condition" in sql.db.explain(
        "SELECT * FROM website.pipeline_step_logs"
    )


def test_a_pipeline_that_is_not_there_has_no_logs(fresh: Both) -> None:
    nobody = "'00000000-0000-4000-8000-000000000001'"
    for more in ("", f" AND step_uuid = {nobody}"):
        result = fresh.query(
            f"SELECT log FROM pipeline_step_logs WHERE pipeline_uuid = {nobody}{more}",
            on="website",
        )
        assert (result.rows, result.notices) == ([], [])


def test_logs_of_the_pipelines_that_a_subquery_finds(fresh: Both) -> None:
    result = fresh.query(
        "SELECT count(*), max(bytes_total) FROM pipeline_step_logs WHERE pipeline_uuid = "
        "ANY (ARRAY(SELECT uuid FROM pipelines WHERE build_number IN (2, 3)))",
        on="website",
    )
    assert result.rows[0][0] > 0
