"""From a user mapping to a credential: ways to sign in, references to secrets, logins."""
