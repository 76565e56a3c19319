"""The interface for programs, below ``/api/v1``: what the pages and the command line do, as JSON."""
