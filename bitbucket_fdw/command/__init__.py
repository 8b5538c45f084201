"""``bitbucket-fdw``: what is done outside of SQL."""
