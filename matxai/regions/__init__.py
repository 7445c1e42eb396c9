"""Masks that mean something: arrays in, masks out. Knows nothing of files, signals or models."""

from matxai.regions.region import Region

__all__ = ["Region"]
