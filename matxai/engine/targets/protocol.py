"""What a target is, how targets are combined, and what it means for all kinds to be fixed, repeated or renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

from matxai.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from matxai.engine.targets.combined import Contrast, Scaled, Sum


@runtime_checkable
class Target(Protocol):
    """Anything that can say its score: ``score(output) -> (B,)``, differentiable; and how it is called."""

    def score(self, output: Any) -> Tensor:
        """Return one score for each sample."""

    def describe(self) -> str:
        """Return what is explained, in a few words."""


AnyTarget: TypeAlias = "int | str | Sequence[int] | Sequence[str] | Tensor | Callable[[Any], Tensor] | Target | None"


class Part:
    """What all targets share: ``a + b``, ``a - b``, ``2 * a``, ``a / 2``, ``-a``, and the parts that they are made of.

    A target of several parts implements :meth:`over` and the rest follows.
    """

    #: Whether the score is a sum of the logits with fixed weights. Relevance of LRP then makes the score; of any other
    #: score it starts as logit times gradient.
    linear: bool = True
    #: Whether it reads what the model returns as it stands, not the tensor of scores in it.
    whole: bool = False

    @property
    def at_layer(self) -> str | None:
        """The layer whose output it reads in the place of the model's."""
        return None

    def parts(self) -> tuple[Target, ...]:
        """Return the targets that this one is made of."""
        return ()

    def over(self, change: Callable[[Target], Target]) -> Self:  # noqa: ARG002 - one of several parts changes them
        """Return the same of changed parts."""
        return self

    def fixed(self, output: Any) -> Target:
        """Return a target that means at every other output what this one means here."""
        return self.over(lambda t: fixed(t, output)) if self.parts() else self  # type: ignore[return-value]

    def repeated(self, count: int) -> Target:
        """Return the same for so many copies of the batch, one after the other."""
        return self.over(lambda t: repeated(t, count)) if self.parts() else self  # type: ignore[return-value]

    def with_names(self, index: Callable[[str], int]) -> Target:
        """Return the target with class names replaced by their indices."""
        return self.over(lambda t: with_index(t, index)) if self.parts() else self  # type: ignore[return-value]

    def __add__(self, other: Any) -> Sum:
        from matxai.engine.targets.combined import Sum

        return Sum((*_terms(self), *_terms(_target(other, "+"))))

    def __sub__(self, other: Any) -> Contrast:
        from matxai.engine.targets.combined import Contrast

        return Contrast(_target(self, "-"), _target(other, "-"))

    def __mul__(self, factor: Any) -> Scaled:
        from matxai.engine.targets.combined import Scaled

        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise TargetError(f"A target can be multiplied by a number, not by a {type(factor).__name__}.")
        return Scaled(_target(self, "*"), float(factor))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Scaled:
        if isinstance(divisor, bool) or not isinstance(divisor, int | float) or divisor == 0:
            raise TargetError(f"A target can be divided by a number other than 0, not by {divisor!r}.")
        return self * (1 / divisor)

    def __neg__(self) -> Scaled:
        return self * -1


def fixed(target: Target, output: Any) -> Target:
    """Return a target that means at every other output what it means at this one: areas keep their positions."""
    of_this = getattr(target, "fixed", None)
    found: Target = of_this(output) if callable(of_this) else target
    return found


def repeated(target: Target, count: int) -> Target:
    """Return a target for ``count`` copies of its batch, one after the other."""
    of_copies = getattr(target, "repeated", None)
    found: Target = of_copies(count) if callable(of_copies) else target
    return found


def with_index(target: Target, index: Callable[[str], int]) -> Target:
    """Return a target with class names replaced by what ``index`` says of them."""
    of_names = getattr(target, "with_names", None)
    found: Target = of_names(index) if callable(of_names) else target
    return found


def within(target: Any) -> tuple[Target, ...]:
    """Return a target and all that it is made of, outermost first."""
    parts = getattr(target, "parts", None)
    inner = parts() if callable(parts) else ()
    return (target, *(t for p in inner for t in within(p)))


def _terms(part: Any) -> tuple[Target, ...]:
    from matxai.engine.targets.combined import Sum

    return part.terms if isinstance(part, Sum) else (part,)


def _target(other: Any, sign: str) -> Target:
    if isinstance(other, Target):
        return other
    shown = repr(other) if isinstance(other, int | float | str) else f"a {type(other).__name__}"
    hint = f"targets.score({other!r})" if isinstance(other, int | str) else "an object of targets"
    raise TargetError(f"'{sign}' joins targets, not {shown}; write {hint}.")
