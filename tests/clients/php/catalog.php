<?php
// php catalog.php DSN SCHEMA TABLE: what a program that shows a database's objects asks for.
function rows($result)
{
    $rows = [];
    while ($row = odbc_fetch_array($result)) {
        $rows[] = $row;
    }
    return $rows;
}

[, $dsn, $schema, $table] = $argv;
$connection = odbc_connect($dsn, "", "");
echo json_encode([
    "schemas" => rows(odbc_tables($connection, "", "%", "", "")),
    "types" => rows(odbc_tables($connection, "", "", "", "%")),
    "tables" => rows(odbc_tables($connection, null, $schema, "%", "TABLE")),
    "foreign tables" => rows(odbc_tables($connection, null, $schema, "%", "FOREIGN TABLE")),
    "views" => rows(odbc_tables($connection, null, $schema, "%", "VIEW")),
    "columns" => rows(odbc_columns($connection, null, $schema, $table, "%")),
    "primary key" => rows(odbc_primarykeys($connection, null, $schema, $table)),
    "foreign keys" => rows(odbc_foreignkeys($connection, null, "", "", "", $schema, $table)),
    "indexes" => rows(odbc_statistics($connection, null, $schema, $table, SQL_INDEX_ALL, SQL_QUICK)),
    "row id" => rows(odbc_specialcolumns(
        $connection, SQL_BEST_ROWID, "", $schema, $table, SQL_SCOPE_SESSION, SQL_NULLABLE
    )),
    "privileges" => rows(odbc_tableprivileges($connection, null, $schema, $table)),
]);
