"""What was seen, one module per way of looking; immutable, without judgement."""
