"""Judgement: pure functions from facts to findings. No input or output, and no clock but the one handed in."""
