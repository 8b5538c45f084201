<?php
// php query.php DSN STATEMENT [VALUE...]: all rows; values stand for question marks.
$connection = odbc_pconnect($argv[1], "", "");
if (count($argv) > 3) {
    $result = odbc_prepare($connection, $argv[2]);
    odbc_execute($result, array_slice($argv, 3));
} else {
    $result = odbc_exec($connection, $argv[2]);
}
$rows = [];
while ($row = odbc_fetch_array($result)) {
    $rows[] = $row;
}
echo json_encode($rows);
