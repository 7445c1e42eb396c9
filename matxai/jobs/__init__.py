"""What each command does, callable from Python and from the plugin. Jobs return what they found and print nothing."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "alone": ["OneSignal", "artefacts_of_one", "one_signal"],
        "blind": ["BlindAnswer", "BlindReading", "blind_reading"],
        "checking": ["CheckRun", "check", "check_expectations"],
        "data": ["Data", "read_data"],
        "demonstration": ["Demonstration", "demonstrate"],
        "drafting": ["draft_expectations"],
        "doctor": ["diagnose"],
        "explaining": ["Options", "Run", "explain_files"],
        "leaking": ["LeakageRun", "check_leakage", "leakage", "write_leakage"],
        "inputs": ["Input", "expand"],
        "model_check": ["ModelCheck", "check_model"],
        "viewing": ["view"],
    },
)
