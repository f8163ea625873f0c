"""What every part needs of the system: errors, files, checks, threads, processes, provenance."""
