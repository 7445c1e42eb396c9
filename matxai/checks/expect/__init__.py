"""Expectations of an expert, written as YAML: what a model must, may and must not use, with a verdict each."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "document": ["Expectations", "expectations_of", "read_expectations"],
        "judging": ["judge"],
        "records": ["Checked", "Judged", "SampleVerdict"],
        "measures": ["Measure", "Measured"],
        "regions": ["RegionKind", "region_kinds"],
    },
)
