<?php
// php transaction.php DSN END: two changes and a failing one in a transaction, which then ends by
// "commit" or "rollback". psqlODBC puts a savepoint before each statement.
[, $dsn, $end] = $argv;
$connection = odbc_connect($dsn, "", "");
odbc_autocommit($connection, false);
$insert = odbc_prepare($connection, "INSERT INTO Issues (Title, Kind) VALUES (?, ?)");
// The @ is for psqlODBC's remark that its cursor can be read only.
$done = [@odbc_execute($insert, ["one", "bug"])];
$done[] = @odbc_execute($insert, ["bad", "epic"]);
$update = odbc_prepare($connection, "UPDATE Issues SET Title = ? WHERE Id = ?");
$done[] = @odbc_execute($update, ["two", 1]);
$done[] = $end === "commit" ? odbc_commit($connection) : odbc_rollback($connection);
echo json_encode($done);
