"""What a map alone cannot say: perturbation, evidence, and the verdicts that people sign."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "verdict": ["ANSWERS", "Verdict"],
        "labelled": ["LabelledSet"],
        "perturbation": ["Perturbed", "class_scores", "filled_signal", "scores_when_filled"],
        "perturbing": ["perturb"],
        "asked_again": ["AskedAgain", "ask_again", "united"],
        "changes": ["Change", "Perturbation"],
        "donors": ["donors_from"],
        "dosage": ["DoseResponse", "dose_response"],
        "controls": ["controls_needed"],
        "familiar": ["Reference"],
        "evidence": ["Evidence", "evidence_of_maps", "top_region_evidence"],
        "bar_exchange": ["Exchange", "exchange_bars", "exchange_rows"],
    },
)
