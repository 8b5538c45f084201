<?php
// php first_rows.php DSN STATEMENT COUNT: stop reading after so many rows.
$connection = odbc_connect($argv[1], "", "");
$result = odbc_exec($connection, $argv[2]);
$rows = [];
for ($i = 0; $i < (int) $argv[3]; $i++) {
    odbc_fetch_row($result);
    $rows[] = odbc_result($result, 1);
}
echo json_encode($rows);
