"""The Python side of SQL functions in schema ``bitbucket``: logins, ``verify``, curl commands."""
