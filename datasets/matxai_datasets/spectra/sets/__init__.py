"""The generated sets, one file each: a new one is a new file that adds a ``Generator`` to ``GENERATORS``."""
