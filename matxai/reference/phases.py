"""Structures of common phases that ship as numbers: facts of the cited papers, at room temperature unless said.

The cells were compared with independent compilations (Wyckoff, Crystal Structures 1, 1963; the American Mineralogist
Crystal Structure Database; the Handbook of Mineralogy; certificates of NIST; tables of calibration standards) and agree
to 4 parts in 10 000, most to 1. Where a source says "not compared", only density and distances speak for the value.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from matxai.errors import MatxaiError, nearest
from matxai.reference.crystals import CrystalStructure, Site

_Row = tuple[str, float, float, float] | tuple[str, float, float, float, float | None, float]  # ..., B, occupancy


class _Phase(NamedTuple):
    name: str
    group: str
    cell: tuple[float, ...]  # as many of a, b, c, alpha, beta, gamma as the crystal system leaves free
    sites: tuple[_Row, ...]
    source: str


NBS = "Natl. Bur. Stand. (US) Circ. 539"
THIRD, HALF, QUARTER, EIGHTH = 1 / 3, 0.5, 0.25, 0.125

_FCC, _BCC, _ROCK = "F m -3 m", "I m -3 m", "F m -3 m"


def _element(symbol: str, group: str, a: float, source: str, name: str = "") -> _Phase:
    return _Phase(name or symbol, group, (a,), ((symbol, 0, 0, 0),), source)


def _rock_salt(cation: str, anion: str, a: float, source: str, name: str = "") -> _Phase:
    return _Phase(name or cation + anion, _ROCK, (a,), ((cation, 0, 0, 0), (anion, HALF, HALF, HALF)), source)


def _diamond(symbol: str, a: float, source: str, name: str = "") -> _Phase:
    return _Phase(name or symbol, "F d -3 m:2", (a,), ((symbol, EIGHTH, EIGHTH, EIGHTH),), source)


def _zinc_blende(cation: str, anion: str, a: float, source: str, name: str = "") -> _Phase:
    sites = ((cation, 0, 0, 0), (anion, QUARTER, QUARTER, QUARTER))
    return _Phase(name or cation + anion, "F -4 3 m", (a,), sites, source)


def _fluorite(cation: str, anion: str, a: float, source: str, name: str = "") -> _Phase:
    sites = ((cation, 0, 0, 0), (anion, QUARTER, QUARTER, QUARTER))
    return _Phase(name or f"{cation}{anion}2", _FCC, (a,), sites, source)


def _perovskite(a_site: str, b_site: str, anion: str, a: float, source: str, name: str = "") -> _Phase:
    sites = ((a_site, 0, 0, 0), (b_site, HALF, HALF, HALF), (anion, HALF, HALF, 0))
    return _Phase(name or f"{a_site}{b_site}{anion}3", "P m -3 m", (a,), sites, source)


def _rutile(cation: str, a: float, c: float, x: float, source: str, name: str) -> _Phase:
    return _Phase(name, "P 42/m n m", (a, c), ((cation, 0, 0, 0), ("O", x, x, 0)), source)


def _corundum(cation: str, a: float, c: float, z: float, x: float, source: str, name: str) -> _Phase:
    return _Phase(name, "R -3 c:H", (a, c), ((cation, 0, 0, z), ("O", x, 0, QUARTER)), source)


def _spinel(a_site: str, b_site: str, a: float, u: float, source: str, name: str) -> _Phase:
    sites = ((a_site, EIGHTH, EIGHTH, EIGHTH), (b_site, HALF, HALF, HALF), ("O", u, u, u))
    return _Phase(name, "F d -3 m:2", (a,), sites, source)


def _hcp(symbol: str, a: float, c: float, source: str, name: str = "") -> _Phase:
    return _Phase(name or symbol, "P 63/m m c", (a, c), ((symbol, THIRD, 2 * THIRD, QUARTER),), source)


_PHASES: tuple[_Phase, ...] = (
    _element("Ag", _FCC, 4.0862, f"{NBS}, vol. 1, p. 23 (1953)"),
    _element("Al", _FCC, 4.0494, f"{NBS}, vol. 1, p. 11 (1953)"),
    _element("Au", _FCC, 4.0786, f"{NBS}, vol. 1, p. 33 (1953)"),
    _element("Cu", _FCC, 3.6150, f"{NBS}, vol. 1, p. 15 (1953)"),
    _element("Ni", _FCC, 3.5238, f"{NBS}, vol. 1, p. 13 (1953)"),
    _element("Pt", _FCC, 3.9231, f"{NBS}, vol. 1, p. 31 (1953)"),
    _element("Fe", _BCC, 2.8664, f"{NBS}, vol. 4, p. 3 (1955)", "Fe (ferrite, bcc)"),
    _element(
        "Fe",
        _FCC,
        3.578,
        "Dyson & Holmes, J. Iron Steel Inst. 208, 469 (1970): pure iron, extrapolated to 20 C; not compared",
        "Fe (austenite, fcc)",
    ),
    _element("Cr", _BCC, 2.8839, f"{NBS}, vol. 5, p. 20 (1955)"),
    _element("Mo", _BCC, 3.1472, f"{NBS}, vol. 1, p. 20 (1953)"),
    _element("W", _BCC, 3.1648, f"{NBS}, vol. 1, p. 28 (1953)"),
    _hcp("Ti", 2.9508, 4.6855, "Wood, Proc. Phys. Soc. 80, 783 (1962)"),
    _hcp("Zn", 2.665, 4.947, f"{NBS}, vol. 1, p. 16 (1953)"),
    _diamond("Si", 5.431020511, "CODATA 2018 (Rev. Mod. Phys. 93, 025010): lattice parameter of silicon at 22.5 C"),
    _diamond("Ge", 5.657820, "Hom, Kiszenick & Post, J. Appl. Cryst. 8, 457 (1975)"),
    _diamond("C", 3.566986, "Hom, Kiszenick & Post, J. Appl. Cryst. 8, 457 (1975)", "C (diamond)"),
    _zinc_blende("Ga", "As", 5.65325, "Blakemore, J. Appl. Phys. 53, R123 (1982)"),
    _zinc_blende("Zn", "S", 5.4093, "Skinner, Am. Mineral. 46, 1399 (1961)", "ZnS (sphalerite)"),
    _Phase(
        "ZnO",
        "P 63 m c",
        (3.2501, 5.2071),
        (("Zn", THIRD, 2 * THIRD, 0), ("O", THIRD, 2 * THIRD, 0.3817)),
        "Kisi & Elcombe, Acta Cryst. C45, 1867 (1989)",
    ),
    _rock_salt("Na", "Cl", 5.6402, f"{NBS}, vol. 2, p. 41 (1953)"),
    _rock_salt("K", "Cl", 6.2931, f"{NBS}, vol. 1, p. 65 (1953)"),
    _rock_salt("Li", "F", 4.0270, f"{NBS}, vol. 1, p. 61 (1953); not compared"),
    _rock_salt("Mg", "O", 4.213, f"{NBS}, vol. 1, p. 37 (1953)"),
    _rock_salt("Mn", "O", 4.445, f"{NBS}, vol. 5, p. 45 (1955)"),
    _rock_salt("Ni", "O", 4.1769, f"{NBS}, vol. 1, p. 47 (1953)"),
    _rock_salt("Ti", "N", 4.2417, "Christensen, Acta Chem. Scand. A32, 87 (1978); 5th digit not compared"),
    _Phase(
        "FeO (wuestite)",
        _ROCK,
        (4.3077,),
        (("Fe", 0, 0, 0, None, 0.945), ("O", HALF, HALF, HALF)),
        "McCammon & Liu, Phys. Chem. Minerals 10, 106 (1984): a = 3.856 + 0.478 x at x = 0.945; not compared",
    ),
    _fluorite("Ca", "F", 5.4626, f"{NBS}, vol. 1, p. 69 (1953)"),
    _fluorite("Ce", "O", 5.411651, "NIST, certificate of SRM 674b"),
    _perovskite("Sr", "Ti", "O", 3.905, f"{NBS}, vol. 3, p. 44 (1954); not compared"),
    _perovskite(
        "Cs", "Pb", "Br", 5.874, "Moller, Nature 182, 1436 (1958): cubic above 130 C; not compared", "CsPbBr3 (cubic)"
    ),
    _rutile("Ti", 4.5937, 2.9587, 0.30478, "Howard, Sabine & Dickson, Acta Cryst. B47, 462 (1991)", "TiO2 (rutile)"),
    _rutile("Mn", 4.4041, 2.8765, 0.3046, "Bolzan, Fong, Kennedy & Howard, Aust. J. Chem. 46, 939 (1993)", "MnO2"),
    _Phase(
        "TiO2 (anatase)",
        "I 41/a m d:2",
        (3.7842, 9.5146),
        (("Ti", 0, 0.75, EIGHTH), ("O", 0, 0.75, 0.3331)),
        "Horn, Schwerdtfeger & Meagher, Z. Kristallogr. 136, 273 (1972)",
    ),
    _corundum(
        "Al",
        4.759355,
        12.99231,
        0.35216,
        0.30624,
        "cell: NIST, certificate of SRM 676a; sites: Lewis, Schwarzenbach & Flack, Acta Cryst. A38, 733 (1982)",
        "Al2O3 (corundum)",
    ),
    _corundum("Fe", 5.038, 13.772, 0.3553, 0.3059, "Blake et al., Am. Mineral. 51, 123 (1966)", "Fe2O3 (hematite)"),
    _spinel("Fe", "Fe", 8.3941, 0.2549, "Fleet, Acta Cryst. B37, 917 (1981)", "Fe3O4 (magnetite)"),
    _spinel(
        "Li",
        "Mn",
        8.2476,
        0.2632,
        "ICDD PDF 35-0782; u: Mosbah, Verbaere & Tournoux, Mater. Res. Bull. 18, 1375 (1983); not compared",
        "LiMn2O4",
    ),
    _Phase(
        "LiCoO2",
        "R -3 m:H",
        (2.8161, 14.0536),
        (("Li", 0, 0, 0), ("Co", 0, 0, HALF), ("O", 0, 0, 0.23968)),
        "Akimoto, Gotoh & Oosawa, J. Solid State Chem. 141, 298 (1998); z not compared",
    ),
    _Phase(
        "SiO2 (quartz)",
        "P 32 2 1",
        (4.916, 5.4054),
        (("Si", 0.4697, 0, 2 * THIRD), ("O", 0.4135, 0.2669, 0.1191 + 2 * THIRD)),
        "Levien, Prewitt & Weidner, Am. Mineral. 65, 920 (1980)",
    ),
    _Phase(
        "CaCO3 (calcite)",
        "R -3 c:H",
        (4.9896, 17.0610),
        (("Ca", 0, 0, 0), ("C", 0, 0, QUARTER), ("O", 0.2568, 0, QUARTER)),
        "Effenberger, Mereiter & Zemann, Z. Kristallogr. 156, 233 (1981)",
    ),
    _Phase(
        "CaCO3 (aragonite)",
        "P m c n",
        (4.96062, 7.97006, 5.74181),
        (
            ("Ca", QUARTER, 0.41502, 0.7577),
            ("C", QUARTER, 0.7616, -0.0808),
            ("O", QUARTER, 0.9220, -0.0944),
            ("O", 0.4750, 0.6824, -0.0905),
        ),
        "Antao & Hassan, Can. Mineral. 47, 1245 (2009)",
    ),
    _Phase(
        "BaTiO3",
        "P 4 m m",
        (3.992, 4.036),
        (("Ba", 0, 0, 0), ("Ti", HALF, HALF, 0.514), ("O", HALF, HALF, 0.977), ("O", HALF, 0, 0.486)),
        "Jona & Shirane, Ferroelectric Crystals (1962), after Frazer, Danner & Pepinsky, Phys. Rev. 100, 745 (1955); "
        "not compared",
    ),
    _Phase(
        "LaB6",
        "P m -3 m",
        (4.156826,),
        (("La", 0, 0, 0), ("B", 0.1996, HALF, HALF)),
        "NIST, certificate of SRM 660c (2015)",
    ),
    _Phase(
        "CuO (tenorite)",
        "C 1 2/c 1",
        (4.6837, 3.4226, 5.1288, 99.54),
        (("Cu", QUARTER, QUARTER, 0), ("O", 0, 0.4184, QUARTER)),
        "Asbrink & Norrby, Acta Cryst. B26, 8 (1970)",
    ),
)


def structures() -> list[str]:
    """Return the names of the structures that ship.

    Examples
    --------
    >>> "TiO2 (rutile)" in structures()
    True
    """
    return list(_table())


def structure(name: str) -> CrystalStructure:
    """Return a structure that ships, by its name; ``Fe2O3`` or ``hematite`` are enough where only one is meant.

    Raises
    ------
    MatxaiError
        If none is called so, or several are.

    Examples
    --------
    >>> structure("hematite").cell[0]
    5.038
    """
    table = _table()
    asked = name.strip().casefold()
    exact = [full for full in table if full.casefold() == asked]
    found = exact or [full for full in table if asked in _parts(full)]
    if len(found) == 1:
        return table[found[0]]
    if found:
        msg = f"'{name}' may be {' or '.join(repr(f) for f in found)}; write one of them."
        raise MatxaiError(msg)
    msg = f"There is no structure '{name}'. {nearest(name, table, label='There are')} Others are read from a CIF."
    raise MatxaiError(msg)


def _parts(full: str) -> set[str]:
    """``{"fe2o3", "hematite"}`` of "Fe2O3 (hematite)"; words in a bracket count each."""
    formula, _, common = full.casefold().rstrip(")").partition(" (")
    return {formula, common, *common.split(", ")} - {""}


@functools.cache
def _table() -> dict[str, CrystalStructure]:
    return {p.name: CrystalStructure(p.name, _cell(p), p.group, _sites(p), p.source) for p in _PHASES}


def _sites(phase: _Phase) -> tuple[Site, ...]:
    found = []
    for row in phase.sites:
        symbol, x, y, z = row[:4]
        b, occupancy = (row[4], row[5]) if len(row) == 6 else (None, 1.0)
        found.append(Site(symbol, (float(x), float(y), float(z)), occupancy, b, symbol))
    return tuple(found)


def _cell(phase: _Phase) -> tuple[float, float, float, float, float, float]:
    match phase.cell:
        case (a,):
            return a, a, a, 90, 90, 90
        case (a, c):
            gamma = 120 if phase.group.startswith(("P 3", "P 6", "R", "P -3")) and "m -3" not in phase.group else 90
            return a, a, c, 90, 90, gamma
        case (a, b, c):
            return a, b, c, 90, 90, 90
        case (a, b, c, beta):
            return a, b, c, 90, beta, 90
    msg = f"{phase.name}: {phase.cell}"
    raise ValueError(msg)
