"""One small file for each group of commands; each has ``register(app)``, which the main program calls."""
