"""Templates, styles and words of everything that people read; package data, no code."""
