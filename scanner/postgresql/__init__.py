"""Django's backend for PostgreSQL, made to outlive a restart of the server."""
