"""The preprocessing steps, one file for each family. A new step is a class in a file here, registered by its name."""
