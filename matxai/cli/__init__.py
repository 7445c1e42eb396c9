"""The command line: options in, a job called, an exit code out. No computation lives here."""
