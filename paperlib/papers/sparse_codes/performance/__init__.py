"""How fast: the trainers side by side."""
