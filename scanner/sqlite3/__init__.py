"""Django's backend for SQLite, whose writers wait no longer for each other than they must."""
