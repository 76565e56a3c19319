"""Keeps an installation healthy for years: what is kept and what goes, backups, and a look at everything it needs."""
