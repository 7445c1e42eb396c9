"""One class of the plugin touches ``viewer.layers``: what others want to know or have done, they ask it for."""

from __future__ import annotations

import re
from pathlib import Path

PLUGIN = Path(__file__).parents[2] / "plugins" / "napari_matxai"
#: listening to a viewer changes nothing in it; versions.py is about viewers of several versions
LISTENING = re.compile(r"viewer\.layers(\.selection)?\.events")


def test_the_presenter_alone_touches_the_layers_of_a_viewer() -> None:
    found = []
    for path in sorted(PLUGIN.rglob("*.py")):
        if path.name in ("presenter.py", "versions.py"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            code = line.partition("#")[0]
            if re.search(r"viewer\.layers\b", LISTENING.sub("", code)) and "``viewer.layers``" not in code:
                found.append(f"{path.relative_to(PLUGIN)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
