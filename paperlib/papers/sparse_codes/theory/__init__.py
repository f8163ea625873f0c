"""The theory in numbers: random problems, independent checks and small runs (Sections 2 and 3; Appendices A to D)."""
