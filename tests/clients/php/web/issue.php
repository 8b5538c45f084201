<?php
// A page of a web application: one issue, over a connection that outlives the page.
header("Content-Type: application/json");
$connection = odbc_pconnect(getenv("APPLICATION_DSN"), "", "");
$statement = odbc_prepare(
    $connection,
    "SELECT Title, State, pg_backend_pid() AS backend FROM Issues WHERE Id = ?"
);
odbc_execute($statement, [$_GET["id"]]);
echo json_encode(odbc_fetch_array($statement));
