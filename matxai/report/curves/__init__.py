"""Plots of spectra for print: the curve coloured by relevance, maps as strips, reference sticks, stacks of curves."""
