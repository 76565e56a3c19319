"""Our verdicts beside those of the tools that people use today, over the lab. See docs/comparisons.md."""
