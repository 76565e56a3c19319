"""Organisations, what they own, and who allowed it to be inspected. Importing this package imports no Django."""
