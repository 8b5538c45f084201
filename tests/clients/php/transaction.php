<?php
// php transaction.php DSN: Bitbucket's rows and a local table in transactions.
function count_of($connection, $table)
{
    $result = odbc_exec($connection, "SELECT count(*) FROM $table");
    odbc_fetch_row($result);
    return (int) odbc_result($result, 1);
}

$connection = odbc_connect($argv[1], "", "");
$copy = "INSERT INTO saved SELECT Id, Title FROM Issues WHERE Id <= 3";
odbc_exec($connection, "CREATE TABLE saved (id bigint, title text)");
odbc_autocommit($connection, false);
odbc_exec($connection, $copy);
$inside = count_of($connection, "saved");
odbc_rollback($connection);
$rolled_back = count_of($connection, "saved");
odbc_exec($connection, $copy);
odbc_commit($connection);
$committed = count_of($connection, "saved");
$failed = @odbc_exec($connection, "SELECT nothing FROM Issues");
odbc_rollback($connection);
echo json_encode([
    "inside" => $inside,
    "rolled_back" => $rolled_back,
    "committed" => $committed,
    "failed" => $failed === false,
    "after" => count_of($connection, "Issues"),
]);
