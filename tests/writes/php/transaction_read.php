<?php
// php transaction_read.php DSN END: without autocommit, changes an issue, reads it back by its key,
// and ends the transaction by "commit" or "rollback".
[, $dsn, $end] = $argv;
$connection = odbc_connect($dsn, "", "");
odbc_autocommit($connection, false);
$update = odbc_prepare($connection, "UPDATE Issues SET Title = ? WHERE Id = ?");
$changed = @odbc_execute($update, ["mine", 1]) ? odbc_num_rows($update) : odbc_errormsg($connection);
$select = odbc_prepare($connection, "SELECT Title FROM Issues WHERE Id = ?");
odbc_execute($select, [1]);
$read = odbc_fetch_array($select);
$ended = $end === "commit" ? odbc_commit($connection) : odbc_rollback($connection);
echo json_encode([$changed, $read["title"], $ended]);
