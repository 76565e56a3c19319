"""One inspection, framework-free: look at an address, keep the facts, judge them."""
