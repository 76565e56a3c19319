"""The pages, a file per noun. A view reads through the sight, calls the act that the command line calls, and shows."""
