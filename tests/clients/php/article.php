<?php
// php article.php FUNCTION STEP: the calls of CData's article "Natively Connect to Bitbucket Data in
// PHP", with its data source, user, statements and capitals. FUNCTION is what it connects by.
[, $connect, $step] = $argv;
$conn = $connect("CData ODBC Bitbucket Source", "user", "password");

function titles($query)
{
    while ($row = odbc_fetch_array($query)) {
        echo $row["Title"] . "\n";
    }
}

switch ($step) {
    case "prepare":
        $query = odbc_prepare($conn, "SELECT * FROM Issues WHERE Id = ?");
        $success = odbc_execute($query, array('1'));
        titles($query);
        break;
    case "exec":
        titles(odbc_exec($conn, "SELECT Title, ContentRaw FROM Issues WHERE Id = '1'"));
        break;
    case "result_all":
        $query = odbc_prepare($conn, "SELECT * FROM Issues WHERE Id = ?");
        $success = odbc_execute($query, array('1'));
        if ($success) {
            odbc_result_all($query, "border=1");
        }
        break;
    default:
        // The statement of a step that only shows what there is.
        $query = odbc_exec($conn, $step);
        $rows = [];
        while ($row = odbc_fetch_array($query)) {
            $rows[] = $row;
        }
        echo json_encode($rows);
}
odbc_close($conn);
