"""What learned fields look like: Gabor fits, extent, frequencies."""
