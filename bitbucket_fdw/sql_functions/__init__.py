"""What the SQL functions of schema ``bitbucket`` have done by Python."""
