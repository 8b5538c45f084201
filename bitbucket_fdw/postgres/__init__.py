"""What is known of the PostgreSQL backend around this interpreter, beyond what a host says."""
