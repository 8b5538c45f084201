"""The authorization server: OAuth 2 and OAuth 1.0a sign-ins, and the consumers that may ask."""
