"""Training and scoring on image patches as runs: a configuration, a folder, results with provenance."""
