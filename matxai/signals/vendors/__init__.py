"""What instruments write about their images: one module for each maker, from tags or sidecar text to a calibration."""
