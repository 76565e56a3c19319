"""Roundsman's inspection engine and the rounds, reports and commands around it."""
