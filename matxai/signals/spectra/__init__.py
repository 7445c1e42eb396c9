"""What readers of spectra and waveforms share: the axes that the field knows, and curves and sets made from columns."""
