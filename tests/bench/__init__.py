"""Speed and memory beside what one would run today, in one run on one machine: ``make bench``."""
