"""What findings mean over time: their life (``lifecycle``), their weight (``score``), their rows (``models``)."""
