<?php
// php write.php DSN: an issue is made, changed and deleted, by statements with parameters.
function bound($connection, $statement, ...$values)
{
    $prepared = odbc_prepare($connection, $statement);
    // For statements that change rows psqlODBC tells that the cursor became read-only (01S02), on
    // any table. PHP takes that for a warning.
    if (!@odbc_execute($prepared, $values)) {
        fwrite(STDERR, odbc_errormsg($connection));
    }
    return $prepared;
}

$connection = odbc_pconnect($argv[1], "", "");
$made = odbc_fetch_array(bound(
    $connection,
    "INSERT INTO Issues (Title, ContentRaw, Kind) VALUES (?, ?, ?) RETURNING Id, State",
    "Grüße aus PHP 🌸",
    "It's \"quoted\" \\ and\nbroken",
    "proposal"
));
$changed = bound(
    $connection,
    "UPDATE Issues SET State = ?, Priority = ?, ContentRaw = ? WHERE Id = ?",
    "resolved",
    "minor",
    null,
    $made["id"]
);
$second = odbc_fetch_array(bound(
    $connection, "INSERT INTO Issues (Title) VALUES (?) RETURNING Id", "To be deleted"
));
$deleted = bound($connection, "DELETE FROM Issues WHERE Id = ?", $second["id"]);
$refused = @odbc_exec($connection, "UPDATE Issues SET Votes = 7 WHERE Id = 1");
echo json_encode([
    "made" => $made,
    "changed" => odbc_num_rows($changed),
    "deleted" => [$second["id"], odbc_num_rows($deleted)],
    "refused" => $refused ? null : odbc_errormsg($connection),
]);
