"""What the Spectra dock knows and works out, without Qt: opened spectra, what is drawn of them, zones, questions."""
