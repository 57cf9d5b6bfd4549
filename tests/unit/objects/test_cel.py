"""Cases of the CEL specification's conformance tests, of cel-go's extensions, and hostile texts."""

import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.objects.cel import CelError, CostError, parsed
from engine.objects.cel.parser import MAX_LENGTH

MIB = 2**20

READY = {"type": "Ready", "status": "True", "reason": "Succeeded"}
DEP = {
    "metadata": {"generation": 2, "labels": {"app/version": "v1.2.3"}},
    "status": {"observedGeneration": 2, "conditions": [READY]},
}
DATA = {
    "dep": DEP,
    "self": {"metadata": {"labels": {"app/version": "v1.2.3"}}},
    "items": [1, 2, 3],
    "nothing": None,
    "ratio": 0.5,
}
FLUX_EXAMPLE = """
    dep.metadata.labels['app/version'] == self.metadata.labels['app/version'] &&
    dep.status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True') &&
    dep.metadata.generation == dep.status.observedGeneration
"""


def value(text: str) -> Any:
    return parsed(text).value(DATA)


@pytest.mark.parametrize(
    "text",
    [
        FLUX_EXAMPLE,
        # literals
        "0x10 == 16 && 7u == 7 && 1e3 == 1000.0 && .5 == 0.5 && -9223372036854775808 < 0",
        r"'a\n\x41\u00e9\101' == 'a' + '\n' + 'AéA'",
        r"r'\n' == '\\n' && '''a'b''' == 'a\'b' && b'\xff' == b'\377' && b'é' == b'\303\251'",
        "[1, 'a', null, true].size() == 4 && {'a': 1, 2: 'b'}.size() == 2 && [] == [] && {} == {}",
        "1 // a comment\n == 1",
        # arithmetic
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1",
        "1.0 / 0.0 > 1e308 && 2u * 3u == 6u && 'a' + 'b' == 'ab' && [1] + [2] == [1, 2]",
        "b'a' + b'b' == b'ab' && -(-3) == 3 && - -3 == 3 && 10 - 4 - 3 == 3",
        # comparison: numbers of different types compare by value, other types are never equal
        "1 == 1.0 && 1u == 1 && 1 < 1.5 && 2u > 1.5 && !('1' == 1) && 1 != 2 && !(true == 1)",
        "'a' < 'b' && b'a' < b'b' && false < true && [1, 2] == [1.0, 2] && {'a': 1} == {'a': 1.0}",
        "[1] != ['1'] && null == null && nothing == null && !(null == false)",
        # logic decides in spite of what has no value
        "true || 1 / 0 > 0",
        "1 / 0 > 0 || true",
        "!(false && 1 / 0 > 0) && !(1 / 0 > 0 && false)",
        "!!true && !false",
        "true ? true : 1 / 0 > 0",
        "false ? 'a' == 'b' : false ? false : true",
        # fields and elements
        "has(dep.status) && !has(dep.spec) && !has(dep.status.x) && has({'a': null}.a)",
        "items[0] == 1 && items[1u] == 2 && items[2.0] == 3 && {'a': 1}['a'] == 1",
        "2 in items && !(4 in items) && 'a' in {'a': 1} && 1.0 in items && !('1' in items)",
        "dep.metadata.`labels`['app/version'] == 'v1.2.3'",
        # macros
        "items.all(x, x > 0) && items.exists(x, x == 2) && items.exists_one(x, x == 2)",
        "!items.all(x, x > 1) && !items.exists(x, x > 3) && !items.exists_one(x, x > 1)",
        "items.map(x, x * 2) == [2, 4, 6] && items.map(x, x > 1, x * 2) == [4, 6]",
        "items.filter(x, x % 2 == 1) == [1, 3] && {'a': 1, 'b': 2}.all(k, k in ['a', 'b'])",
        "[].all(x, x) && ![].exists(x, x) && [[1], [2]].all(x, x.all(y, y > 0))",
        "[1, 2, 0].exists(x, 2 / x == 2) && ![1, 0].all(x, x / 1 == 0 && 1 / x > 0)",
        "items.map(items, items + 1) == [2, 3, 4] && items.size() == 3",
        # strings
        "'abc'.startsWith('ab') && 'abc'.endsWith('bc') && 'abc'.contains('b') && size('é') == 1",
        "'v1.30.2'.matches('^v1[.][0-9]+') && matches('abc', 'b') && !'abc'.matches('^b')",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "'abc'.split('') == ['a', 'b', 'c'] && 'a'.split(',', 0) == []",
        "['a', 'b'].join('-') == 'a-b' && [].join() == ''",
        "' a '.trim() == 'a' && 'aB'.lowerAscii() == 'ab' && 'aB'.upperAscii() == 'AB'",
        "'aXbX'.replace('X', '-') == 'a-b-' && 'aXbX'.replace('X', '-', 1) == 'a-bX'",
        "'hello'.substring(1, 3) == 'el' && 'hello'.substring(3) == 'lo' && 'ab'.charAt(1) == 'b'",
        "'hello'.indexOf('l') == 2 && 'hello'.lastIndexOf('l') == 3 && 'hello'.indexOf('x') == -1",
        "'abc'.reverse() == 'cba' && 'ab'.charAt(2) == '' && 'hello'.indexOf('l', 3) == 3",
        "base64.encode(b'hello') == 'aGVsbG8=' && base64.decode('aGVsbG8=') == b'hello'",
        # conversion
        "int('42') == 42 && int(3.9) == 3 && double('1.5') == 1.5 && string(1.0) == '1'",
        "string(true) == 'true' && bool('true') && uint(3) == 3u && bytes('a') == b'a'",
        "type(1) == int && type('a') == string && type(null) == null_type && dyn(1) == 1.0",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60 && string(duration('90s')) == '90s'",
        "int(duration('1500ms')) == 1500000000 && 'x'.format([]) == 'x' && '%%'.format([]) == '%'",
        "'%s %s %s'.format(['a', 1, true]) == 'a 1 true' && '%d'.format([7u]) == '7'",
        "'%s'.format([[1, 'a', null, 2.5, 3.0]]) == '[1, a, null, 2.5, 3]'",
        "'%s'.format([{'b': 1, 'a': [int]}]) == '{a: [int], b: 1}'",
        "'%s %s'.format([duration('90s'), timestamp('2024-02-29T01:02:03Z')]) "
        "== '90s 2024-02-29T01:02:03Z'",
        "'%.2f %f %e'.format([1, 1.5, 1200.0]) == '1.00 1.500000 1.200000e+03'",
        "'%x %X %x %b %o %b'.format([255, 'hi', b'z', 5, 8, true]) == 'ff 6869 7a 101 10 1'",
        "'%s %d'.format([1e21, 1e-7]) == '1000000000000000000000 0.0000001'",
        "'%f %s'.format([1.0 / 0.0, -1.0 / 0.0]) == 'Infinity -Infinity'",
        # sets
        "sets.contains([1, 2], [2]) && !sets.contains([1], [2]) && sets.equivalent([1, 1], [1])",
        "sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [])",
        # time
        "timestamp('2024-02-29T01:02:03Z') - timestamp('2024-02-28T01:02:03Z') == duration('24h')",
        "timestamp('2024-02-29T01:02:03Z').getFullYear() == 2024",
        "timestamp('2024-02-29T23:00:00Z').getDate('+02:00') == 1",
        "duration('1m30s') > duration('1m') && duration('90m').getHours() == 1",
        "timestamp('2024-02-29T00:00:00+01:00') < timestamp('2024-02-29T00:00:00Z')",
        # optional values
        "dep.?status.?missing.orValue('x') == 'x' && dep.?status.observedGeneration.value() == 2",
        "!dep.?spec.hasValue() && dep.?spec.?x.y.orValue(1) == 1 && items[?5].orValue(0) == 0",
        "optional.of(1).or(optional.of(2)).value() == 1 && !optional.none().hasValue()",
        "[?dep.?spec, 1] == [1] && {?'a': dep.?spec} == {} && dep.?status.optMap(s, 1).hasValue()",
        "'a-b'.split('-').first().value() == 'a' && ![].last().hasValue()",
        "optional.of(1) == optional.of(1) && optional.none() != optional.of(1)",
    ],
)
def test_it_is_true(text: str) -> None:
    assert value(text) is True


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("timestamp('2024-02-29T01:02:03.5Z')", datetime(2024, 2, 29, 1, 2, 3, 500_000, UTC)),
        ("duration('-1.5h')", timedelta(hours=-1.5)),
        ("string(timestamp('2024-02-29T01:02:03.5Z'))", "2024-02-29T01:02:03.5Z"),
        ("ratio", 0.5),
        ("nothing", None),
        ("strings.quote('a\"b')", '"a\\"b"'),
    ],
)
def test_it_has_that_value(text: str, wanted: Any) -> None:
    assert value(text) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("missing", "no such attribute(s): missing"),
        ("dep.spec", "no such key: spec"),
        ("dep.spec.x == 1", "no such key: spec"),
        ("nothing.x", "no such key: x"),
        ("items[3]", "index out of bounds: 3"),
        ("items[-1]", "index out of bounds: -1"),
        ("items[true]", "index out of bounds: True"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "modulus by zero"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("0u - 1u", "unsigned integer overflow"),
        ("-(-9223372036854775808)", "integer overflow"),
        ("1 + nothing", "no such overload: _+_(int, null_type)"),
        ("'a' < 1", "no such overload: _<_(string, int)"),
        ("1 || false", "no such overload: int where a bool is wanted"),
        ("dep ? 1 : 2", "no such overload: map where a bool is wanted"),
        ("items.all(x, x)", "no such overload: int where a bool is wanted"),
        ("ratio.all(x, x)", "no such overload: all(double)"),
        ("int('x')", "type conversion error from 'string' to 'int': 'x'"),
        ("timestamp('yesterday')", "type conversion error"),
        ("duration('1 hour')", "type conversion error"),
        ("'a'.matches('(')", "is not a regular expression"),
        ("'%s'.format([])", "there are more clauses than arguments"),
        ("'%d'.format(['a'])", "format: %d takes int, uint, double, not string"),
        ("'%5s'.format(['a'])", "unrecognized '%5'"),
        ("'%'.format(['a'])", "unrecognized '%'"),
        ("'%.99999f'.format([1])", "asks for more than 1000 digits"),
        ("{'a': 1, 'a': 2}", "repeated key: a"),
        ("{[1]: 2}", "unsupported key type: list"),
        ("optional.none().value()", "optional.none() dereference"),
        ("'a'.substring(2)", "index out of range"),
        ("duration('80000000h') + duration('80000000h')", "duration out of range"),
    ],
)
def test_what_has_no_value_says_why(text: str, reason: str) -> None:
    with pytest.raises(CelError) as raised:
        value(text)

    assert str(raised.value).startswith(f"failed to evaluate the CEL expression '{text}': ")
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("dep.spec.x == 1", "no such key: spec at 1:5\n | dep.spec.x == 1\n | ....^"),
        ("1 == 1 &&\n items[3] > 1", "index out of bounds: 3 at 2:7\n |  items[3] > 1\n | ......^"),
        ("items.all(i, 1 / 0 == i)", "division by zero at 1:16\n | items.all(i, 1 / 0 == i)\n"),
    ],
)
def test_what_has_no_value_is_pointed_at(text: str, mark: str) -> None:
    with pytest.raises(CelError) as raised:
        value(text)

    assert mark in str(raised.value)


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("data.x == 1 + 'a'", "1:13", "overload for '_+_' applied to '(int, string)'"),
        ("size(data.x) > 'a'", "1:14", "overload for '_>_' applied to '(int, string)'"),
        ("'Ready'", "1:1", "output type mismatch: expected bool, got string"),
        ("status.x.startsWith(1)", "1:10", "overload for 'startsWith' applied to '(dyn, int)'"),
        ("x && 'a'", "1:6", "overload for '_&&_' applied to '(string)'"),
    ],
)
def test_a_condition_of_any_variables_may_not_be_nonsense(
    text: str, where: str, reason: str
) -> None:
    with pytest.raises(CelError) as raised:
        parsed(text, is_condition=True)

    assert f"ERROR: <input>:{where}: " in str(raised.value)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "status.ready",
        "'a' == 1",
        "data.?phase.orValue('') == 'Done'",
        "(x ? 1 : 'a') == 1",
        "status.conditions.exists(c, c.type == 'Ready' && c.status)",
        "metadata.generation == status.observedGeneration",
    ],
)
def test_a_condition_that_can_be_evaluated_is_let_pass(text: str) -> None:
    assert parsed(text, is_condition=True).text == text


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("", "1:1", "unexpected '<EOF>'"),
        ("foo.", "1:5", "unexpected '<EOF>', expecting a name"),
        ("1 +", "1:4", "unexpected '<EOF>'"),
        ("a b", "1:3", "unexpected 'b'"),
        ("a == 'b", "1:6", "the string does not end"),
        ("a ==\n b ~ c", "2:4", "token recognition error at: '~'"),
        ("[1, 2", "1:6", "expecting ']'"),
        ("has(a)", "1:5", "invalid argument to has() macro"),
        ("a.all(b.c, true)", "1:9", "argument must be a simple name"),
        ("for + 1", "1:1", "reserved identifier: for"),
        ("9223372036854775808", "1:1", "invalid int literal"),
        ("'\\q'", "1:2", "bad escape"),
        ("frob(1)", "1:1", "undeclared reference to 'frob'"),
        ("'a'.size(1)", "1:5", "found no matching overload for 'size' applied to 1 arguments"),
        ("startsWith('a', 'b')", "1:1", "undeclared reference to 'startsWith'"),
        ("a.b{c: 1}", "1:4", "messages are not supported here"),
    ],
)
def test_a_text_that_is_no_expression_is_pointed_into(text: str, where: str, reason: str) -> None:
    with pytest.raises(CelError) as raised:
        parsed(text)

    assert f"ERROR: <input>:{where}: " in str(raised.value)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("dep.spec", "1:5", "output type mismatch: expected bool, got dyn"),
        ("'x'", "1:1", "output type mismatch: expected bool, got string"),
        ("items.all(x, true)", "1:1", "undeclared reference to 'items'"),
        ("dep == 'x'", "1:5", "overload for '_==_' applied to '(map(string, dyn), string)'"),
        ("1 + 'a' == dep.x", "1:3", "overload for '_+_' applied to '(int, string)'"),
        ("'a' && true", "1:1", "overload for '_&&_' applied to '(string)'"),
        ("dep.x.startsWith(1)", "1:7", "overload for 'startsWith' applied to '(dyn, int)'"),
        ("'a'.all(x, true)", "1:1", "cannot be range of a comprehension"),
        ("dep.x.all(x, 1)", "1:14", "overload for 'all' applied to '(int)'"),
        ("true ? 1 : 'a'", "1:6", "overload for '_?_:_' applied to '(bool, int, string)'"),
        ("'a'.b == 1", "1:5", "does not support field selection"),
        ("['a']['b'] == 1", "1:6", "overload for '_[_]'"),
    ],
)
def test_types_that_never_fit_are_found_before(text: str, where: str, reason: str) -> None:
    with pytest.raises(CelError) as raised:
        parsed(text, ("self", "dep"))

    assert f"ERROR: <input>:{where}: " in str(raised.value)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        FLUX_EXAMPLE,
        "dep.status.ready == true",
        "has(dep.status) ? dep.status.ready : false",
        "dep.?status.?ready.orValue(false)",
        "dep.metadata.generation > self.metadata.generation + 1",
        "size(dep.status.conditions) > 0",
        "dep.status.conditions.map(c, c.type)[0] == 'Ready'",
        "timestamp(dep.at) + duration('1h') > timestamp(dep.until)",
        "!dep.spec.suspend",
        "dep.status == null",
        "true",
    ],
)
def test_what_may_be_a_bool_is_let_pass(text: str) -> None:
    assert parsed(text, ("self", "dep")).text == text


def test_the_place_is_marked_below_the_line() -> None:
    with pytest.raises(CelError) as raised:
        parsed("true &&\n  1 ~ 2")

    assert str(raised.value) == (
        "failed to parse the CEL expression 'true &&\n  1 ~ 2': ERROR: <input>:2:5: "
        "Syntax error: token recognition error at: '~'\n |   1 ~ 2\n | ....^"
    )


@pytest.mark.parametrize(
    "text",
    [
        "1" + "+1" * 20_000,
        "a" + ".a" * 50_000,
        "1" + "+1" * 3_000,
        "a" + ".a" * 3_000,
        "(" * 4_000 + "1" + ")" * 4_000,
        "[" * 8_000,
        "!" * 8_000,
        "a?b:" * 2_000 + "c",
        "a" + ".map(x, x" * 800 + ")" * 800,
        "'" + "\\" * 8_001,
        "9" * 8_000,
    ],
)
@pytest.mark.slow
def test_a_hostile_text_is_refused_at_once(text: str) -> None:
    with work() as done, pytest.raises(CelError):
        parsed(text)

    assert done.calls < 20 * MAX_LENGTH  # a few for each character: never their square
    assert done.peak_bytes < 16 * MIB


@dataclass
class Work:
    """What was done inside: counted, as a clock on a busy machine says nothing."""

    calls: int = 0
    peak_bytes: int = 0


@contextmanager
def work() -> Iterator[Work]:
    done = Work()

    def count(frame: object, event: str, argument: object) -> None:
        done.calls += event in ("call", "c_call")

    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sys.setprofile(count)
    try:
        yield done
    finally:
        sys.setprofile(None)
        done.peak_bytes = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "l.all(a, l.all(b, l.all(c, a + b + c >= 0)))",
        "l.map(a, l).map(a, a.map(b, b)).size() > 0",
        "l.map(a, t + t + t).size() > 0",
        "l.all(a, t.contains('y') || true)",
        "l.all(a, t != u)",
        "l.all(a, t.matches('(x+x+)+y') || true)",
        "l.all(a, t.replace('x', t) == '')",
        "l.all(a, l.map(b, t).join(t) == '' || true)",
        "l.all(a, sets.contains(l, l))",
        "l.all(a, big == other)",
        "l.all(a, l.exists(b, l.exists(c, a == b && b == -c - 1)))",
        "l.map(a, l + l + l + l).size() > 0",
        "[l].map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).size() > 0",
        "l.all(a, m.all(b, m.all(c, m[b] == m[c])))",
        "l.all(a, '%s'.format([m]) != '')",
        "l.all(a, '%.999f'.format([1.5]) != '')",
        "(t + t + t + t).replace('x', t + t).replace('x', t + t) == ''",
        "l.all(a, t.split('') != [])",
        "l.all(a, t.reverse() != '')",
        "l.all(a, t.lowerAscii() != '')",
        "l.all(a, base64.encode(bytes(t)) != '')",
    ],
)
@pytest.mark.slow
def test_a_hostile_evaluation_is_ended_soon(text: str) -> None:
    data = {
        "l": list(range(5_000)),
        "t": "x" * 40_000,
        "u": "x" * 39_999 + "y",
        "big": [{"a": [1] * 100}] * 1_000,
        "other": [{"a": [1] * 100}] * 1_000,
        "m": {str(number): "x" for number in range(2_000)},
    }
    program = parsed(text)

    with work() as done, pytest.raises(CostError, match="takes more than 10000 steps"):
        program.value(data, limit=10_000)  # a fifth of what holds, as counting is slow

    assert done.calls < 30 * 10_000
    assert done.peak_bytes < 16 * MIB


def test_data_that_is_nested_too_deep_has_no_value() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]

    with pytest.raises(CelError, match="nested too deep"):
        parsed("a == b").value({"a": deep, "b": [*deep]})
