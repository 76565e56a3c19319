"""The checks: identity, severity, references and texts in every language, one TOML file per family."""
