"""Hidden checks, one module a topic."""
