"""The Qt side: small widgets that show and ask, and compute nothing. Imported when a widget is made."""
