"""Read an expression.  Source: cel-spec langdef.md, "Syntax" and "Macros"; cel-go's optionals."""

from typing import Final

from engine.objects.cel.errors import TextError
from engine.objects.cel.lexer import KEYWORDS, RESERVED, Token, is_int, tokens
from engine.objects.cel.tree import (
    Call,
    Choice,
    Comprehension,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Name,
    Node,
    Select,
    nodes,
)

MAX_LENGTH: Final = 8192
"""Characters of a text; what people write has some hundred."""
MAX_NESTING: Final = 32
"""Brackets inside of brackets."""
MAX_DEPTH: Final = 100
"""Of the tree: `1 + 1 + 1` has 3.  Evaluating goes as deep, and Python's stack is short."""

_MACROS: Final = {"all": 2, "exists": 2, "exists_one": 2, "existsOne": 2, "map": 2, "filter": 2}
_OPTIONAL_MACROS: Final = ("optMap", "optFlatMap")
_WORDS: Final = {"true": True, "false": False, "null": None}
_LEVELS: Final = (
    ("<", "<=", ">", ">=", "==", "!=", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)  # operators that bind alike, the loosest first


def parse(text: str) -> Node:
    """The tree of an expression.  Raises TextError."""
    if len(text) > MAX_LENGTH:
        raise TextError(
            f"the expression has {len(text)} characters; at most {MAX_LENGTH}", text[:200], 0
        )
    node = _Parser(text).whole()
    for depth, each in nodes(node):
        if depth > MAX_DEPTH:
            raise TextError(f"more than {MAX_DEPTH} operations build on each other", text, each.at)
    return node


class _Parser:
    """Goes over the words once."""

    def __init__(self, text: str) -> None:
        self._text, self._tokens = text, tokens(text)
        self._next = self._nesting = 0

    def whole(self) -> Node:
        """The expression that the text is."""
        node = self._expression()
        if self._token.kind != "end":
            raise self._unexpected()
        return node

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _is(self, *signs: str) -> bool:
        token = self._token
        is_word = token.kind == "word" and token.value == "in"
        return (token.kind == "sign" or is_word) and token.value in signs

    def _take(self) -> Token:
        token = self._token
        self._next += 1
        return token

    def _try(self, sign: str) -> bool:
        if self._is(sign):
            self._next += 1
            return True
        return False

    def _expect(self, sign: str) -> Token:
        if not self._is(sign):
            raise self._unexpected(f", expecting {sign!r}")
        return self._take()

    def _unexpected(self, wanted: str = "") -> TextError:
        token = self._token
        shown = token.value if token.kind != "literal" else self._text[token.at : token.at + 20]
        return self._wrong(f"Syntax error: unexpected {shown!r}{wanted}", token.at)

    def _wrong(self, problem: str, at: int) -> TextError:
        return TextError(problem, self._text, at)

    def _expression(self) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._wrong(f"nested more than {MAX_NESTING} deep", self._token.at)
        node = self._logic(is_or=True)
        if self._is("?"):
            at = self._take().at
            yes = self._logic(is_or=True)
            self._expect(":")
            node = Choice(node, yes, self._expression(), at)
        self._nesting -= 1
        return node

    def _logic(self, *, is_or: bool) -> Node:
        sign = "||" if is_or else "&&"
        first = self._logic(is_or=False) if is_or else self._binary(0)
        if not self._is(sign):
            return first
        terms, at = [first], self._token.at
        while self._try(sign):
            terms.append(self._logic(is_or=False) if is_or else self._binary(0))
        return Logic(tuple(terms), at, is_or)

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._binary(level + 1)
        while self._is(*_LEVELS[level]):
            sign = self._take()
            name = "@in" if sign.value == "in" else f"_{sign.value}_"
            node = Call(name, (node, self._binary(level + 1)), sign.at)
        return node

    def _unary(self) -> Node:
        signs: list[Token] = []
        while self._is("-", "!"):
            if signs and signs[-1].value != self._token.value:
                raise self._unexpected()
            signs.append(self._take())
        token = self._token
        is_number = token.kind == "literal" and type(token.value) in (int, float)
        if signs and signs[-1].value == "-" and is_number:
            at = signs.pop().at
            self._take()
            node = self._member(Literal(-token.value, at))
        else:
            node = self._member(self._primary())
        # Twice the same is nothing: the tree stays flat, however many there are.
        if signs and signs[0].value == "!":
            signs = signs[: 2 - len(signs) % 2]
        for sign in reversed(signs):
            node = Call("-_" if sign.value == "-" else "!_", (node,), sign.at)
        return node

    def _member(self, node: Node) -> Node:
        while True:
            if self._is("."):
                self._take()
                is_optional = self._try("?")
                node = self._selected(node, is_optional=is_optional)
            elif self._is("["):
                at = self._take().at
                is_optional = self._try("?")
                node = Index(node, self._expression(), at, is_optional)
                self._expect("]")
            elif self._is("{") and isinstance(node, Name | Select):
                raise self._wrong("messages are not supported here", self._token.at)
            else:
                return node

    def _selected(self, operand: Node, *, is_optional: bool) -> Node:
        token = self._token
        if token.kind not in ("word", "quoted") or token.value in KEYWORDS:
            raise self._unexpected(", expecting a name")
        self._take()
        if is_optional or token.kind == "quoted" or not self._is("("):
            return Select(operand, token.value, token.at, is_optional)
        args = self._args()
        macro = self._macro(operand, token, args)
        if macro is not None:
            return macro
        name = _qualified(operand, token.value)
        if name:
            return Call(name, args, token.at)
        return Call(token.value, (operand, *args), token.at, is_member=True)

    def _macro(self, target: Node, token: Token, args: tuple[Node, ...]) -> Node | None:
        name, count = token.value, len(args)
        is_filtering_map = name == "map" and count == 3
        if (
            not is_filtering_map
            and (_MACROS.get(name) != count)
            and not (name in _OPTIONAL_MACROS and count == 2)
        ):
            return None
        variable = args[0]
        if not isinstance(variable, Name):
            raise self._wrong("argument must be a simple name", variable.at)
        name = "exists_one" if name == "existsOne" else name
        condition = args[1] if is_filtering_map else None
        return Comprehension(name, target, variable.name, args[-1], token.at, condition)

    def _args(self) -> tuple[Node, ...]:
        self._expect("(")
        args: list[Node] = []
        while not self._is(")"):
            args.append(self._expression())
            if not self._try(","):
                break
        self._expect(")")
        return tuple(args)

    def _primary(self) -> Node:
        token = self._token
        if token.kind == "literal":
            value = self._take().value
            if type(value) is int and not is_int(value):
                raise self._wrong("invalid int literal", token.at)
            return Literal(value, token.at)
        if token.kind == "word":
            return self._word()
        if self._try("("):
            node = self._expression()
            self._expect(")")
            return node
        if self._is("["):
            return self._list()
        if self._is("{"):
            return self._map()
        if self._is("."):  # the root of all names
            self._take()
            if self._token.kind == "word":
                return self._word()
        raise self._unexpected()

    def _word(self) -> Node:
        token = self._take()
        if token.value in _WORDS:
            return Literal(_WORDS[token.value], token.at)
        if token.value in KEYWORDS or token.value in RESERVED:
            raise self._wrong(f"reserved identifier: {token.value}", token.at)
        if not self._is("("):
            return Name(token.value, token.at)
        args = self._args()
        if token.value == "has" and len(args) == 1:
            field = args[0]
            if not isinstance(field, Select) or field.is_test:
                raise self._wrong("invalid argument to has() macro", field.at)
            return Select(field.operand, field.field, field.at, field.is_optional, is_test=True)
        return Call(token.value, args, token.at)

    def _list(self) -> Node:
        at = self._expect("[").at
        items: list[tuple[Node, bool]] = []
        while not self._is("]"):
            is_optional = self._try("?")
            items.append((self._expression(), is_optional))
            if not self._try(","):
                break
        self._expect("]")
        return ListOf(tuple(items), at)

    def _map(self) -> Node:
        at = self._expect("{").at
        entries: list[tuple[Node, Node, bool]] = []
        while not self._is("}"):
            is_optional = self._try("?")
            key = self._expression()
            self._expect(":")
            entries.append((key, self._expression(), is_optional))
            if not self._try(","):
                break
        self._expect("}")
        return MapOf(tuple(entries), at)


_SPACES: Final = ("base64", "optional", "sets", "strings")


def _qualified(operand: Node, name: str) -> str:
    """The name of a function that has a prefix, `sets.contains`; "" if it has none."""
    is_space = isinstance(operand, Name) and operand.name in _SPACES
    return f"{operand.name}.{name}" if is_space and isinstance(operand, Name) else ""
