"""Training, optimisation and export: torch with side effects."""
