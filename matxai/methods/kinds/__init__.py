"""One file for each family of methods; the registry imports them all on its first look-up."""
