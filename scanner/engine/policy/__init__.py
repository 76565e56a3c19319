"""What is good enough for TLS: guidelines as data."""
