"""Hyperparameters: frozen dataclasses that parse, check, print and describe themselves.

A technique (or the options of a data set) declares one ``@dataclass(frozen=True, kw_only=True)``
that derives from :class:`Hyper`, each field through :func:`hp`::

    inner_lr: float = hp(0.01, "α, the rate of the inner loop", above=0)
    meta_batch: int = hp(4, "tasks per meta-step", at_least=1, when={"5-shot": 2})

Types are those of :mod:`mlbench.notation`; "without limit" is written ``None``, not infinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, Self, cast, get_origin, get_type_hints

from mlbench.errors import MisuseError
from mlbench.notation import conform, kind_text, parse_text, value_text

Situation = Literal["regression", "1-shot", "5-shot", "1-step", "released"]
"""The settings for which defaults differ: those of papers, and what the authors' code does."""


def situations(
    kind: str, shots: int, protocol: str, settings: Mapping[str, str] | None = None
) -> tuple[Situation, ...]:
    """Return whose defaults apply, the weightiest last.

    Every number of shots above one is treated as five; ``1-step`` is where ``train_steps`` is set
    to 1 among the settings of a technique.
    """
    shown: Situation = "1-shot" if shots == 1 else "5-shot"
    applying: list[Situation] = ["regression" if kind == "regression" else shown]
    if (settings or {}).get("train_steps", "").strip() == "1":
        applying.append("1-step")
    if protocol == "released":
        applying.append("released")
    return tuple(applying)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What :func:`hp` says of a field beyond its type; a tuple's limits are its elements'."""

    help: str = ""
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    one_of: tuple[Any, ...] | None = None
    when: Mapping[Situation, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the range in words: ``above 0, at most 1``; empty without limits."""
        bounds = (
            ("at least", self.at_least),
            ("above", self.above),
            ("at most", self.at_most),
            ("below", self.below),
        )
        return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)

    def admits(self, value: Any) -> bool:
        """Return whether a value of the right type is in range."""
        if isinstance(value, tuple):
            return all(map(self.admits, value))
        if value is None:
            return True
        if self.one_of is not None and value not in self.one_of:
            return False
        return not (
            (self.at_least is not None and value < self.at_least)
            or (self.at_most is not None and value > self.at_most)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )


def hp(
    default: Any,
    help: str,  # noqa: A002 - the word that click uses, too
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    one_of: Iterable[Any] | None = None,
    when: Mapping[Situation, Any] | None = None,
) -> Any:
    """Declare one hyperparameter.

    Args:
        default: The paper's value.
        help: One line.
        at_least: Lowest value; ``at_most``, ``above`` and ``below`` likewise.
        at_most: Highest value.
        above: A value that every admissible one exceeds.
        below: A value that exceeds every admissible one.
        one_of: All admissible values.
        when: Defaults of those situations that differ from ``default``.
    """
    limits = Limits(
        help=help,
        at_least=at_least,
        at_most=at_most,
        above=above,
        below=below,
        one_of=None if one_of is None else tuple(one_of),
        when=dict(when or {}),
    )
    return field(default=default, metadata={"limits": limits})


class Description(NamedTuple):
    """One hyperparameter in words; values are written as ``--set`` takes them."""

    name: str
    type: str
    default: str
    when: dict[Situation, str]
    range: str
    help: str


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """Base of hyperparameters; without fields, that of techniques that have none."""

    def __post_init__(self) -> None:
        """Check every value, and widen integers where a float is declared."""
        for each in fields(self):
            value = getattr(self, each.name)
            refusal = _refusal(type(self), each, value_text(value), type(self).__name__)
            value = _checked(type(self), each, value, refusal)
            object.__setattr__(self, each.name, value)

    @classmethod
    def parse(
        cls,
        settings: Mapping[str, str],
        *,
        situations: Iterable[Situation] = (),
        owner: str | None = None,
    ) -> Self:
        """Return the defaults of some situations, overridden by texts such as ``--set`` takes.

        Args:
            settings: Texts by name.
            situations: Whose defaults apply over the plain ones, the weightiest last.
            owner: What errors call the thing that has these hyperparameters.

        Raises:
            MisuseError: An unknown name, a text that is not of its type, or a value out of range.
        """
        owner = owner or cls.__name__
        known = {each.name: each for each in fields(cls)}
        values: dict[str, Any] = {
            name: limits.when[situation]
            for situation in situations
            for name, each in known.items()
            if situation in (limits := _limits(each)).when
        }
        for name, text in settings.items():
            if name not in known:
                raise MisuseError(_unknown(owner, name, list(known)))
            each = known[name]
            refusal = _refusal(cls, each, text, owner)
            try:
                value = parse_text(text, _types(cls)[name])
            except ValueError:
                raise MisuseError(refusal) from None
            values[name] = _checked(cls, each, value, refusal)
        return cls(**values)

    def values(self) -> dict[str, Any]:
        """Return the values by name, as JSON has them: tuples are lists."""
        return {each.name: _to_json(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_values(cls, values: Mapping[str, Any], *, owner: str | None = None) -> Self:
        """Return what :meth:`values` was taken from.

        Raises:
            MisuseError: Names are unknown or missing, or a value is out of range.
        """
        owner = owner or cls.__name__
        known = [each.name for each in fields(cls)]
        for name in values:
            if name not in known:
                raise MisuseError(_unknown(owner, name, known))
        if missing := [name for name in known if name not in values]:
            raise MisuseError(
                f"hyperparameters of {owner} lack {', '.join(missing)};"
                " they were stored by another version of it"
            )
        return cls(**{name: _from_json(value) for name, value in values.items()})

    @classmethod
    def describe(cls) -> list[Description]:
        """Return one row per hyperparameter, in the order of declaration."""
        rows = []
        for each in fields(cls):
            limits = _limits(each)
            rows.append(
                Description(
                    each.name,
                    _type_text(cls, each),
                    value_text(each.default),
                    {key: value_text(value) for key, value in limits.when.items()},
                    limits.text,
                    limits.help,
                )
            )
        return rows


def _types(cls: type[Hyper]) -> dict[str, Any]:
    """Return the declared type of each field."""
    return get_type_hints(cls)


def _limits(each: Field[Any]) -> Limits:
    """Return what :func:`hp` was told of a field."""
    return cast("Limits", each.metadata.get("limits", Limits()))


def _checked(cls: type[Hyper], each: Field[Any], value: Any, refusal: str) -> Any:
    """Return the value, integers widened to a declared float, or refuse it."""
    try:
        value = conform(value, _types(cls)[each.name])
    except ValueError:
        raise MisuseError(refusal) from None
    if not _limits(each).admits(value):
        raise MisuseError(refusal)
    return value


def _to_json(value: Any) -> Any:
    return [_to_json(part) for part in value] if isinstance(value, tuple) else value


def _from_json(value: Any) -> Any:
    return tuple(map(_from_json, value)) if isinstance(value, list) else value


def _type_text(cls: type[Hyper], each: Field[Any]) -> str:
    """Return the type of a field as a user writes it: ``int``, ``1|2``, ``float,float,...``."""
    choices = _limits(each).one_of
    if choices is not None and get_origin(_types(cls)[each.name]) is not tuple:
        return "|".join(map(value_text, choices))
    return kind_text(_types(cls)[each.name])


def _refusal(cls: type[Hyper], each: Field[Any], given: str, owner: str) -> str:
    wanted = ", ".join(filter(None, (_type_text(cls, each), _limits(each).text)))
    return (
        f"{owner} cannot take {each.name}={given}: it must be {wanted};"
        f" the default is {value_text(each.default)}"
    )


def _unknown(owner: str, name: str, known: list[str]) -> str:
    """Return the refusal of an unknown name, with the nearest and all that there are."""
    if not known:
        return f"{owner} has no hyperparameter {name!r}; it has none at all"
    near = [each for each in known if name in each][:3] or get_close_matches(name, known, 1)
    guess = " or ".join(map(repr, near))
    guess = f"did you mean {guess}? There are: " if near else "there are: "
    return f"{owner} has no hyperparameter {name!r}; {guess}{', '.join(known)}"
