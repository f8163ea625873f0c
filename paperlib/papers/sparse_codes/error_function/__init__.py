"""The error function by Bürmann's series (E.1)."""
