"""From a plan to rows: which requests are made, in which order, and what their answers mean."""
