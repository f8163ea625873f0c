"""The paper's own procedures, and what it compares with: learners that experiments and benchmarks run."""
