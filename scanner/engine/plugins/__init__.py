"""Probes and rules of third parties: what they are made of, how they are found, and how they are kept in bounds."""
