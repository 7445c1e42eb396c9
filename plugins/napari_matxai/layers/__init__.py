"""Between signals, maps, masks and napari's layers, without Qt or a viewer: layer tuples in, layer tuples out.

A layer that we make always carries scale, translate, units and axis labels: one layer without units switches units off
for the whole viewer.
"""
