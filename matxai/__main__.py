"""``python -m matxai`` is the command line."""

from matxai.cli.main import run

if __name__ == "__main__":
    run()
