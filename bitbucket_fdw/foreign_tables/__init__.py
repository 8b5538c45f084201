"""A foreign table as somebody created it, and the foreign tables that an import creates."""
