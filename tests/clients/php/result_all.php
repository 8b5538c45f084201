<?php
// php result_all.php DSN STATEMENT: the rows as an HTML table.
$connection = odbc_pconnect($argv[1], "", "");
odbc_result_all(odbc_exec($connection, $argv[2]), "border=1");
