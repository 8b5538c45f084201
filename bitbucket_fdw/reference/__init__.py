"""The declarations as rows (``bitbucket.tables``) and as pages (``docs/``)."""
