"""What a file may claim before memory is asked for it: never more than it holds, never a bomb."""

from __future__ import annotations

from matxai.errors import FileError, UnsafeFileError

MOST_BYTES = 512 * 2**20
"""What one compressed image, member or text may unfold to unless a limit allows more."""

MOST_RATIO = 100
"""How many times its stored size it may unfold to ..."""

FREE_BYTES = 64 * 2**20
"""... once it is larger than this: a blank mask of 8192 x 8192 packs a thousandfold and is no bomb."""


def said_bytes(count: int) -> str:
    """Return a number of bytes as people say it: ``"1.5 GB"``.

    Examples
    --------
    >>> said_bytes(37), said_bytes(1_500_000_000)
    ('37 bytes', '1.5 GB')
    """
    if count < 1000:
        return f"{count} bytes"
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1000:.3g} kB"


def check_held(name: str, claimed: int, held: int, *, what: str = "image") -> None:
    """Refuse uncompressed data that the file is too short to hold.

    Raises
    ------
    FileError
        If ``claimed`` bytes are more than the ``held`` ones.
    """
    if claimed > held:
        msg = (
            f"{name} is truncated or its header is wrong: it claims {said_bytes(claimed)} for its {what} and holds "
            f"{said_bytes(max(held, 0))}; copy the file again from where it was made"
        )
        raise FileError(msg)


def check_unfolding(name: str, unfolded: int, stored: int, limit: int | None, *, what: str = "image") -> None:
    """Refuse compressed data that would unfold beyond 512 MB or a hundred times its size, unless ``limit`` allows it.

    Parameters
    ----------
    name
        The file, as the sentence names it.
    unfolded, stored
        Bytes that the header claims, and that the compressed data take in the file.
    limit
        Bytes that the caller allows; with it the ratio is not looked at.

    Raises
    ------
    UnsafeFileError
        With what would be needed to read it all the same.
    """
    most = MOST_BYTES if limit is None else limit
    if unfolded > most:
        msg = (
            f"{name} would unfold from {said_bytes(stored)} to {said_bytes(unfolded)} for its {what}, more than the "
            f"{said_bytes(most)} allowed; if you trust it, allow more with limit={unfolded} (--limit)"
        )
        raise UnsafeFileError(msg)
    if limit is None and unfolded > FREE_BYTES and unfolded > MOST_RATIO * max(stored, 1):
        msg = (
            f"{name} would unfold from {said_bytes(stored)} to {said_bytes(unfolded)} for its {what}, more than "
            f"{MOST_RATIO} times its size; if you trust it, allow it with limit={unfolded} (--limit)"
        )
        raise UnsafeFileError(msg)
