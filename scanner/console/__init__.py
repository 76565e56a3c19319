"""The pages of operators and units, served by ``roundsman serve``."""
