"""The register as files: read YAML and CSV, compare with the database, apply, export."""
