"""Algebraic expressions as text, read by a parser of their own and evaluated with arrays: r0 = 2; k*(r-r0)^2.

The language is that of OpenMM's custom forces (its Lepton library): numbers, names, + - * / ^, brackets, functions, and
definitions of intermediate values after a semicolon, each of which may use those that come after it:

    4*eps*(s^12 - s^6); s = sigma/r; sigma = (sigma1 + sigma2)/2; eps = sqrt(eps1*eps2)

As there, ^ binds from the right and more tightly than a minus in front, so that -x^2 is -(x^2). step(x) is 1 from 0 on,
delta(x) is 1 at 0, and select(x, y, z) is z where x is 0 and y elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, erfc

from mdweights_core.errors import BadInput, counted

Array = jax.Array
Function = Callable[..., Any]

FUNCTIONS: dict[str, tuple[int, Function]] = {  # with their numbers of arguments
    "sqrt": (1, jnp.sqrt),
    "exp": (1, jnp.exp),
    "log": (1, jnp.log),
    "sin": (1, jnp.sin),
    "cos": (1, jnp.cos),
    "sec": (1, lambda x: 1 / jnp.cos(x)),
    "csc": (1, lambda x: 1 / jnp.sin(x)),
    "tan": (1, jnp.tan),
    "cot": (1, lambda x: 1 / jnp.tan(x)),
    "asin": (1, jnp.arcsin),
    "acos": (1, jnp.arccos),
    "atan": (1, jnp.arctan),
    "atan2": (2, jnp.arctan2),
    "sinh": (1, jnp.sinh),
    "cosh": (1, jnp.cosh),
    "tanh": (1, jnp.tanh),
    "erf": (1, erf),
    "erfc": (1, erfc),
    "step": (1, lambda x: jnp.where(x >= 0, 1.0, 0.0)),
    "delta": (1, lambda x: jnp.where(x == 0, 1.0, 0.0)),
    "square": (1, lambda x: x * x),
    "cube": (1, lambda x: x * x * x),
    "recip": (1, lambda x: 1 / x),
    "min": (2, jnp.minimum),
    "max": (2, jnp.maximum),
    "abs": (1, jnp.abs),
    "floor": (1, jnp.floor),
    "ceil": (1, jnp.ceil),
    "select": (3, lambda x, y, z: jnp.where(x != 0, y, z)),
}

_OPERATORS: dict[str, tuple[int, Function]] = {  # with how tightly they bind; a minus in front binds like _IN_FRONT
    "+": (1, lambda a, b: a + b),
    "-": (1, lambda a, b: a - b),
    "*": (2, lambda a, b: a * b),
    "/": (2, jnp.divide),
    "^": (4, lambda a, b: _power(a, b)),
}
_IN_FRONT = 3
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<symbol>[-+*/^(),])|(?P<end>$))"
)


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class Name:
    """A variable, or a definition."""

    name: str


@dataclass(frozen=True)
class Call:
    """A function or operator of other parts."""

    function: str
    arguments: tuple[Node, ...]


Node = Number | Name | Call


@dataclass(frozen=True)
class Expression:
    """An expression, known by its text: cheap to compare, so that jitted functions take it as a static argument.

    Attributes
    ----------
    text : str
        What is to be evaluated, and definitions after semicolons.
    tables : tuple of (str, int)
        Names of functions beside `FUNCTIONS`, with their numbers of arguments.

    Raises
    ------
    BadInput
        Where the text cannot be read; the sentence names the place.
    """

    text: str
    tables: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        """Read the text at once, so that errors are told where it comes from."""
        _ = self.parts

    @cached_property
    def parts(self) -> tuple[Node, tuple[tuple[str, Node], ...]]:
        """What is evaluated, and the definitions in the order in which they can be."""
        return _parsed(self.text, self.tables)

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables it needs, without definitions."""
        main, definitions = self.parts
        known: set[str] = set()
        needed: set[str] = set()
        for name, node in (*definitions, ("", main)):
            needed |= set(_names(node)) - known
            known.add(name)
        return frozenset(needed)

    def __call__(self, values: Mapping[str, Any], tables: Mapping[str, Function] | None = None) -> Array:
        """Value for arrays that broadcast against one another, by name; definitions hide variables of that name."""
        main, definitions = self.parts
        known = dict(values)
        functions = {name: function for name, (_, function) in (_OPERATORS | FUNCTIONS).items()} | dict(tables or {})
        for name, node in definitions:
            known[name] = _evaluated(node, known, functions)
        return jnp.asarray(_evaluated(main, known, functions))

    def require(self, known: Sequence[str]) -> None:
        """Refuse an expression that needs a variable that is not known, by its name."""
        missing = sorted(self.names - set(known))
        if missing:
            raise BadInput(
                f"The expression '{self.text}' uses {', '.join(missing)}, which nothing defines",
                advice=f"Known here are {', '.join(sorted(known))}",
            )


def _names(node: Node) -> Iterator[str]:
    match node:
        case Name(name):
            yield name
        case Call(_, arguments):
            for argument in arguments:
                yield from _names(argument)


def _evaluated(node: Node, values: Mapping[str, Any], functions: Mapping[str, Function]) -> Any:
    match node:
        case Number(value):
            return value
        case Name(name):
            return values[name]
        case Call(function, arguments):
            return functions[function](*(_evaluated(argument, values, functions) for argument in arguments))


def _power(base: Any, exponent: Any) -> Any:
    """Power, by products where the exponent is a small whole number, so that it has a derivative for any base."""
    if isinstance(exponent, float) and exponent == 0.5:
        return jnp.sqrt(base)
    if isinstance(exponent, float) and exponent.is_integer() and abs(exponent) <= 64:
        return base**exponent if isinstance(base, float) else jax.lax.integer_pow(base * 1.0, int(exponent))
    return jnp.power(base, exponent)


@cache
def _parsed(text: str, tables: tuple[tuple[str, int], ...]) -> tuple[Node, tuple[tuple[str, Node], ...]]:
    main, *rest = _split(text)
    arities = {name: n for name, (n, _) in FUNCTIONS.items()} | dict(tables)
    definitions = []
    for begin, end in reversed(rest):
        if not text[begin:end].strip():
            continue
        name, equals, _ = text[begin:end].partition("=")
        if not equals or not re.fullmatch(r"[^\W\d]\w*", name.strip()):
            _refuse(text, begin, "a definition has the form name = value")
        definitions.append((name.strip(), _Parser(text, begin + len(name) + 1, end, arities).whole()))
    return _Parser(text, *main, arities).whole(), tuple(definitions)


def _split(text: str) -> list[tuple[int, int]]:
    """Begin and end of the parts between semicolons."""
    ends = [i for i, letter in enumerate(text) if letter == ";"]
    return list(zip([0, *(i + 1 for i in ends)], [*ends, len(text)], strict=True))


def _refuse(text: str, place: int, why: str) -> NoReturn:
    shown = text[place : place + 20].strip()
    where = f"at '{shown}' (character {place + 1})" if shown else f"at its end (character {place + 1})"
    raise BadInput(f"The expression '{text}' cannot be read {where}: {why}")


class _Parser:
    """Precedence climbing over the tokens of one part of an expression."""

    def __init__(self, text: str, begin: int, end: int, arities: Mapping[str, int]) -> None:
        self.text, self.end, self.arities = text, end, arities
        self.place = begin  # of the current token
        self._after = begin
        self._next()

    def whole(self) -> Node:
        """Read all tokens."""
        node = self._operation(0)
        if self.kind != "end":
            self._refuse("an operator is missing" if self.token != ")" else "there is no bracket to close")
        return node

    def _next(self) -> None:
        found = _TOKEN.match(self.text[: self.end], self._after)
        self.place = self._after
        if found is None:
            self.place += len(self.text[self._after :]) - len(self.text[self._after :].lstrip())
            self._refuse("this has no meaning here")
        self.kind = str(found.lastgroup)
        self.token, self.place, self._after = found[self.kind], found.start(self.kind), found.end()

    def _take(self, symbol: str) -> bool:
        is_there = self.kind == "symbol" and self.token == symbol
        if is_there:
            self._next()
        return is_there

    def _operation(self, tightness: int) -> Node:
        """Operands joined by operators that bind at least that tightly."""
        left = self._operand()
        while self.kind == "symbol" and self.token in _OPERATORS and _OPERATORS[self.token][0] >= tightness:
            operator, binds = self.token, _OPERATORS[self.token][0]
            self._next()
            left = Call(operator, (left, self._operation(binds if operator == "^" else binds + 1)))
        return left

    def _operand(self) -> Node:
        if self._take("-"):
            inner = self._operation(_IN_FRONT)
            return Number(-inner.value) if isinstance(inner, Number) else Call("*", (Number(-1.0), inner))
        if self._take("("):
            inner = self._operation(0)
            self._close()
            return inner
        kind, token, place = self.kind, self.token, self.place
        if kind not in ("number", "name"):
            self._refuse("a value is missing")
        self._next()
        if kind == "number":
            return Number(float(token))
        return self._call(token, place) if self._take("(") else Name(token)

    def _call(self, name: str, place: int) -> Node:
        arguments = [self._operation(0)]
        while self._take(","):
            arguments.append(self._operation(0))
        self._close()
        if name not in self.arities:
            _refuse(self.text, place, f"there is no function {name}")
        if len(arguments) != self.arities[name]:
            _refuse(self.text, place, f"{name} takes {counted(self.arities[name], 'argument')}, not {len(arguments)}")
        return Call(name, tuple(arguments))

    def _close(self) -> None:
        if not self._take(")"):
            self._refuse("a closing bracket is missing")

    def _refuse(self, why: str) -> NoReturn:
        _refuse(self.text, self.place, why)
