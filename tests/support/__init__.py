"""What tests share: fixtures, and helpers to look at rows, plans and requests."""
