"""Make an environment, install matxai, and run the main job: ``matxai demo``.

Some five minutes the first time (most of it the download of PyTorch), about one after that. Arguments go to the demo.
"""

from __future__ import annotations

import sys

from environment import make, run, say

if __name__ == "__main__":
    say("this installs matxai into .venv (about five minutes the first time) and runs 'matxai demo' (about one minute)")
    python = make(".venv", "")
    sys.exit(run(python, "-m", "matxai", "demo", *sys.argv[1:]))
