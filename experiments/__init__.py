"""The claims of the papers, tested with this code: one module a claim, see README.md."""
