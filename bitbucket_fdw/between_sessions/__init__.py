"""What the backends of a server share, by files that only the server's user can read."""
