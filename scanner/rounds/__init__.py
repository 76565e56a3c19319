"""When and by whom targets are inspected, and what each round saw."""
