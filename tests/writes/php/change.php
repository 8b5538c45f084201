<?php
// php change.php DSN STATEMENT VALUE...: runs a prepared statement with these values, and prints
// the rows it returns, or how many it changed.
[, $dsn, $text] = $argv;
$connection = odbc_connect($dsn, "", "");
$statement = odbc_prepare($connection, $text);
if (!@odbc_execute($statement, array_slice($argv, 3))) {
    echo json_encode(["error" => odbc_error($connection), "message" => odbc_errormsg($connection)]);
    exit;
}
$rows = [];
while (odbc_num_fields($statement) > 0 && $row = odbc_fetch_array($statement)) {
    $rows[] = $row;
}
echo json_encode(["rows" => $rows, "changed" => odbc_num_rows($statement)]);
