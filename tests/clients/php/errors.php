<?php
// php errors.php DSN STATEMENT...: what a program learns of each statement that fails.
$connection = odbc_connect($argv[1], "", "");
$seen = [];
foreach (array_slice($argv, 2) as $statement) {
    $result = @odbc_exec($connection, $statement);
    $seen[] = $result
        ? ["rows" => odbc_num_rows($result)]
        : ["state" => odbc_error($connection), "message" => odbc_errormsg($connection)];
}
echo json_encode($seen);
