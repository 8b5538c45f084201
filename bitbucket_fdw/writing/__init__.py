"""INSERT, UPDATE and DELETE: from changed rows to requests, and what becomes of them."""
