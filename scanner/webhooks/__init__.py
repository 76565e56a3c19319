"""Tells other systems by HTTPS what happened: the outbox of mail, for programs."""
