"""`python -m impasto` is `impasto`."""

from impasto.cli.main import run

run()
