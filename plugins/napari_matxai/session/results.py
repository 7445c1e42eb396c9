"""An explanation in sentences: what the model said, what the maps are worth, what was decided on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_matxai.session.explaining import scores_text

if TYPE_CHECKING:
    from napari_matxai.session.explaining import Explained

ALIKE, UNLIKE = 0.7, 0.3
OFF = 0.05


def result_text(answer: Explained) -> str:
    """Return what is to be read with the maps: scores, empty maps, and whether they can be trusted."""
    known = answer.about
    maps = len(answer.explanation.data_vars)
    lines = [scores_text(answer.explanation), f"{maps} map{'s' if maps != 1 else ''} in {answer.seconds:.1f} s"]
    lines += [str(v.attrs["empty"]) for v in answer.explanation.data_vars.values() if v.attrs.get("empty")]
    lines += [f"Left out: {name}. {why}" for name, why in (known.get("left_out") or {}).items()]
    return "\n".join(line for line in lines if line)


def sanity_text(answer: Explained) -> str:
    """Return the facts that tell how far the maps can be trusted: what sums up, what agrees, how fine they are."""
    known = answer.about
    lines = [*_sums(known), *_agreement(known), *_cells(answer)]
    lines += [str(s) for s in known.get("notes", ())]
    lines += [f"Assumed: {s}" for s in known.get("assumptions", ())]
    return "\n".join(dict.fromkeys(lines))


def _sums(known: dict[str, Any]) -> list[str]:
    found = []
    for name, account in (known.get("ledger") or {}).items():
        ratio = account.get("ratio")
        if ratio is None:
            continue
        share = f"{100 * float(ratio):.1f} %"
        right = abs(float(ratio) - 1.0) <= OFF
        found.append(
            f"{name} sums to {share} of the score" + ("." if right else ": the rest is in biases or was lost.")
        )
    return found


def _agreement(known: dict[str, Any]) -> list[str]:
    found = []
    for pair in known.get("agreement") or ():
        rank = float(pair["rank"])
        said = "look at the same places" if rank >= ALIKE else "look at different places" if rank < UNLIKE else ""
        if said:
            found.append(f"{pair['a']} and {pair['b']} {said} (rank correlation {rank:.2f}).")
    return found[:4]


def _cells(answer: Explained) -> list[str]:
    found = []
    for variable in answer.explanation.data_vars.values():
        text = variable.attrs.get("cell_text")
        if text and variable.attrs.get("units") == "relative":
            found.append(f"One cell of {variable.attrs.get('method')}: {text}. What is smaller, it cannot tell.")
    return found[:2]
