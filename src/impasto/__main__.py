"""The program `impasto`, and `python -m impasto`."""

import gc
from typing import NoReturn


def run() -> NoReturn:
    """Run the command line. The garbage collector is off until the command's modules are imported and flags are read.

    Imports leave no garbage, but each collection would visit everything that was imported before.
    """
    gc.disable()
    from impasto.cli.main import run as run_commands

    run_commands()


if __name__ == "__main__":
    run()
