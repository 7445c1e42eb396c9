"""The five steps of the dock, a file each."""
