"""Make an environment, install matxai, and run the main job: ``matxai demo``.

About five minutes the first time, most of it the download of PyTorch; one to two after that. Arguments go to the demo.
"""

from __future__ import annotations

import sys

from environment import make, run, say

if __name__ == "__main__":
    say("this installs matxai into .venv and runs 'matxai demo' (about five minutes the first time, one to two after)")
    python = make(".venv", "")
    sys.exit(run(python, "-m", "matxai", "demo", *sys.argv[1:]))
