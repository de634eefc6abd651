"""The command line: one module per subcommand; `main` parses, runs and turns errors into sentences and exit codes."""

from mdweights_core.cli.main import main

__all__ = ["main"]
