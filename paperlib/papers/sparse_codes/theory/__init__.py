"""The theory in numbers: random problems, independent checks and small runs (Sections 2, 3; A to D)."""
