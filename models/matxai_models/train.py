"""``python -m matxai_models.train NAME --out DIR``: train a model that comes along, or one on data of yours."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from matxai.errors import MatxaiError, ModelError
from matxai_models.recipe import RECIPES, Settings

log = logging.getLogger("matxai.models.train")


def train(name: str, out: str | Path, settings: Settings | None = None) -> Path:
    """Train a model and write its card's folder.

    Parameters
    ----------
    name
        A recipe: ``defects``, ``phases``, ``states``, ...; ``steel``, ``diffraction``, ``raman`` need
        ``settings.data``.
    out
        The folder to write.
    settings
        Seed, data and amounts.

    Returns
    -------
    pathlib.Path
        The folder; ``matxai.load_model`` takes it.

    Raises
    ------
    ModelError
        If there is no such recipe, it needs data and none are given, its classes are fixed, or the folder cannot be
        written.
    """
    from matxai_models.writing import write_model

    recipe = RECIPES[name]
    settings = settings or Settings()
    if (recipe.data_set or recipe.files) and settings.data is None:
        what = f"the data set '{recipe.data_set}'; give its folder" if recipe.data_set else f"{recipe.files}; give it"
        msg = f"The recipe '{name}' trains on {what} with --data."
        raise ModelError(msg)
    if settings.classes and not recipe.chooses:
        able = ", ".join(n for n in RECIPES if RECIPES[n].chooses)
        msg = f"The classes of the recipe '{name}' are fixed; those of {able} may be chosen."
        raise ModelError(msg)
    for what, number in (("images", settings.images), ("epochs", settings.epochs)):
        if number is not None and number < 1:
            msg = f"The recipe '{name}' needs a number of {what} of 1 or more, and was given {number}."
            raise ModelError(msg)
    out = Path(out)
    try:  # before the work, so that none is lost
        out.mkdir(parents=True, exist_ok=True)
        (out / ".written").touch()
        (out / ".written").unlink()
    except OSError as problem:
        msg = f"The folder {out} cannot be written: {problem.strerror or problem}."
        raise ModelError(msg) from None
    trained = recipe.run(settings)
    log.info("%s", trained.summary)
    return write_model(trained, out, recipe, settings)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m matxai_models.train", description=__doc__)
    parser.add_argument("name", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write")
    parser.add_argument("--data", type=Path, help="the folder of the public data set, for recipes that need one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, help="how many training images (default: the recipe's number)")
    parser.add_argument("--epochs", type=int, help="how often each is seen (default: the recipe's number)")
    parser.add_argument("--classes", default="", help="which classes, as A,B or NAME=A+B, for recipes on data of yours")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    classes = tuple(part.strip() for part in chosen.classes.split(",") if part.strip())
    settings = Settings(chosen.seed, chosen.data, chosen.images, chosen.epochs, classes)
    try:
        folder = train(chosen.name, chosen.out, settings)
    except MatxaiError as error:
        log.error("%s", error)
        return error.exit_code
    log.info("written: %s", folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
