<?php
// php prepared.php DSN NUMBER...: the issues of these numbers, through one prepared statement.
$connection = odbc_pconnect($argv[1], "", "");
$statement = odbc_prepare($connection, "SELECT * FROM Issues WHERE Id = ?");
$found = [];
foreach (array_slice($argv, 2) as $number) {
    odbc_execute($statement, [$number]);
    $rows = [];
    while ($row = odbc_fetch_array($statement)) {
        $rows[] = $row;
    }
    $found[$number] = $rows;
}
echo json_encode($found, JSON_FORCE_OBJECT);
