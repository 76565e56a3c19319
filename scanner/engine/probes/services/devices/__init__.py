"""Devices that take unexpected octets badly: controllers of machines, and medical systems."""
