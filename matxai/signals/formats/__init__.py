"""One module for each family of file formats; each registers its reader with `matxai.signals.reader.readers`."""
