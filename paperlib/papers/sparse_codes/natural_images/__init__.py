"""Natural images: the four objectives (Section 4.2)."""
