"""Every message of the reader, whole: where, what was received, what was expected, what to do."""

import pytest

from opgraph.errors import OpgraphError, ParseError, Problems, Source
from opgraph.text import parse, parse_setting


def message(text: str) -> str:
    with pytest.raises(OpgraphError) as caught:
        parse(Source("net.txt", text))
    return str(caught.value)


MESSAGES = [
    # What stands where a name should.
    ("x ->", """\
net.txt:1:5  expected a name after '->', received the end of the text
   1 │ x ->
           ^"""),
    ("x -> conv ->\nconv -> relu", """\
net.txt:1:13  expected a name after '->', received the end of the line
   1 │ x -> conv ->
                   ^"""),
    ("-> conv", """\
net.txt:1:1  expected a name, received '->'
   1 │ -> conv
       ^^"""),
    ("x -> -> conv", """\
net.txt:1:6  expected a name after '->', received '->'
   1 │ x -> -> conv
            ^^"""),
    ("a,, b -> add", """\
net.txt:1:3  expected a name after ',', received ','
   1 │ a,, b -> add
         ^"""),
    ('x -> ""', """\
net.txt:1:6  the name is empty
   1 │ x -> ""
            ^^"""),
    ('x -> "conv', """\
net.txt:1:6  the quote is not closed
   1 │ x -> "conv
            ^"""),
    (r'x -> "conv\q"', r"""
net.txt:1:6  no such escape: '\\q'
   1 │ x -> "conv\q"
            ^^^^^^^^
   there are \n \t \r \0 \\ \" \' \xNN \uNNNN \UNNNNNNNN""".strip()),
    ('x -> "conv"x', """\
net.txt:1:12  expected an output such as .1 or an input such as @1, received 'x'
   1 │ x -> "conv"x
                  ^"""),
    ("x -> conv\u202e1", """\
net.txt:1:6  the name 'conv\\u202e1' contains U+202E (RIGHT-TO-LEFT OVERRIDE), which cannot be seen
   1 │ x -> conv 1
            ^^^^^^
   leave it out"""),
    ('x -> "a\\nb"', """\
net.txt:1:6  the name 'a\\nb' contains U+000A (control character), which cannot be seen
   1 │ x -> "a\\nb"
            ^^^^^^
   leave it out"""),
    ("x -> conv#1", """\
net.txt:1:10  '#' right behind a name: is it part of the name, or a comment?
   1 │ x -> conv#1
                ^
   put a blank before a comment, or write the name in quotes: "conv#1\""""),
    ("x -> conv//1", """\
net.txt:1:10  '//' right behind a name: is it part of the name, or a comment?
   1 │ x -> conv//1
                ^^
   put a blank before a comment, or write the name in quotes: "conv//1\""""),
    # What stands between names.
    ("x -- conv", """\
net.txt:1:3  an edge needs a direction, received '--'
   1 │ x -- conv
         ^^
   write ->"""),
    ("x -> conv | relu", """\
net.txt:1:11  expected an arrow, ',' or the end of the line, received '|'
   1 │ x -> conv | relu
                 ^
   a name with marks or blanks in it is written in quotes"""),
    ("x -> conv1 relu1 -> gap", """\
net.txt:1:6  'conv1 relu1': one name with a blank in it, or two?
   1 │ x -> conv1 relu1 -> gap
            ^^^^^^^^^^^
   put ";" or a line end between two edges, or the name in quotes"""),
    ("x -> conv; conv -> relu; x -> conv relu", """\
net.txt:1:31  'conv relu': one name with a blank in it, or two?
   1 │ x -> conv; conv -> relu; x -> conv relu
                                     ^^^^^^^^^
   put ";" or a line end between two edges, or the name in quotes"""),
    ("x -> conv -> bn\nconv bn", """\
net.txt:2:1  expected an arrow between these names
   2 │ conv bn
       ^^^^^^^
   write conv -> bn; a comment begins with #"""),
    ("x -> conv\na, b", """\
net.txt:2:1  names without an arrow
   2 │ a, b
       ^^^^
   write where the arrow goes: a, b -> c; a comment begins with #"""),
    ("x, conv\nconv, relu, gap", """\
net.txt:2:1  expected a source and a target, received 3 names
   2 │ conv, relu, gap
       ^^^^^^^^^^^^^^^
   for further columns, a first line says which is which: source,target,..."""),
    ("source,target\nx,conv\nconv", """\
net.txt:3:5  expected a name in column 2
   3 │ conv
           ^
   each row has a source and a target"""),
    ("source,target\nx,conv: Conv2D (", """\
net.txt:2:16  '(' is not closed
   2 │ x,conv: Conv2D (
                      ^
   add ')'"""),
    ("source,target\nx,->", """\
net.txt:2:3  expected one name, received '->'
   2 │ x,->
         ^^
   a name with marks in it is written in quotes: "a:b\""""),
    ("", "net: no edge was found\n   write at least one: a -> b"),
    ("Nothing to see here.", "net: no edge was found\n   write at least one: a -> b"),
    # Brackets and attributes.
    ("x -> Dense(10)", """\
net.txt:1:12  expected attributes or a second name in the parentheses, received '10'
   1 │ x -> Dense(10)
                  ^^
   attributes are written name=value, as in Dense(units=...); a label: label (id)"""),
    ("x -> c: Conv2D(32)", """\
net.txt:1:16  expected attributes or a second name in the parentheses, received '32'
   1 │ x -> c: Conv2D(32)
                      ^^
   attributes are written name=value, as in Conv2D(filters=...); a label: label (id)"""),
    ("x -> c: Conv2D(many)", """\
net.txt:1:9  expected the attributes of 'Conv2D' as name=value
   1 │ x -> c: Conv2D(many)
               ^^^^^^^^^^^^"""),
    ("x -> c: Conv2D(filters=3, 4)", """\
net.txt:1:27  expected an attribute such as filters=32, received '4'
   1 │ x -> c: Conv2D(filters=3, 4)
                                 ^
   attributes are written name=value"""),
    ("x -> c: Conv2D(filters=3 -> relu", """\
net.txt:1:26  expected ',' or ')', received '->'
   1 │ x -> c: Conv2D(filters=3 -> relu
                                ^^"""),
    ("x -> c: Conv2D(filters=3\nc -> relu", """\
net.txt:1:15  '(' is not closed
   1 │ x -> c: Conv2D(filters=3
                     ^
   add ')'"""),
    ("x -> c: Conv2D(\n  filters=3\n  strides=2\n)\nc -> relu", """\
net.txt:3:3  expected ',' or ')', received 'strides'
   3 │   strides=2
         ^^^^^^^"""),
    ("x -> conv[filters=]", """\
net.txt:1:19  expected a value, received ']'
   1 │ x -> conv[filters=]
                         ^
   a value is a number, a word, a quoted string, (3, 3), [1, 2] or 3x3"""),
    ("x -> conv[filters=1, filters=2]", """\
net.txt:1:22  'filters' is given twice
   1 │ x -> conv[filters=1, filters=2]
                            ^^^^^^^^^"""),
    ('x -> "relu"(max_value=6)', """\
net.txt:1:6  attributes stand in square brackets behind a name
   1 │ x -> "relu"(max_value=6)
            ^^^^^^^^^^^^^^^^^^^
   write "relu"[...]"""),
    ("x -> fc[units=1e999]", """\
net.txt:1:15  1e999 is larger than any float; infinity is written inf
   1 │ x -> fc[units=1e999]
                     ^^^^^"""),
    ("x -> fc[a={[1]: 2}]", """\
net.txt:1:12  a key is a word, a string or a number
   1 │ x -> fc[a={[1]: 2}]
                  ^"""),
    ("x -> fc[a={b 2}]", """\
net.txt:1:14  expected ':', received '2'
   1 │ x -> fc[a={b 2}]
                    ^"""),
    ("x -> conv[filter=3]", """\
net.txt:1:11  conv.filter: Conv2D has no attribute 'filter'
   1 │ x -> conv[filter=3]
                 ^^^^^^^^
   did you mean 'filters'?"""),
    ("x -> conv[padding=SAME]", """\
net.txt:1:11  conv.padding: expected one of 'same', 'valid', received 'SAME'
   1 │ x -> conv[padding=SAME]
                 ^^^^^^^^^^^^"""),
    ("x -> conv[filters=1]\nconv[filters=2]", """\
net.txt:2:6  conv: filters is 2 here, 1 elsewhere
   2 │ conv[filters=2]
            ^^^^^^^^^
   the other one stands at net.txt:1:11"""),
    # Ops and names.
    ("stem -> Conv3X(filters=32)", """\
net.txt:1:9  unknown op 'Conv3X'
   1 │ stem -> Conv3X(filters=32)
               ^^^^^^
   did you mean 'Conv3D'? All names: opgraph ops"""),
    ("c1: Conv9Q -> relu\nx -> c1", """\
net.txt:1:5  unknown op 'Conv9Q'
   1 │ c1: Conv9Q -> relu
           ^^^^^^
   did you mean 'conv'? All names: opgraph ops"""),
    ("x -> foo -> relu", """\
net.txt:1:6  cannot tell what 'foo' is
   1 │ x -> foo -> relu
            ^^^
   write its op: foo: <Op>(...). All names: opgraph ops"""),
    ("x -> 怪 层 (foo) -> relu", """\
net.txt:1:6  cannot tell what 'foo' (label '怪 层') is
   1 │ x -> 怪 层 (foo) -> relu
            ^^^^^^^^^^^
   write its op: foo: <Op>(...). All names: opgraph ops"""),
    ("inputt -> conv", """\
net.txt:1:1  cannot tell what 'inputt' is
   1 │ inputt -> conv
       ^^^^^^
   did you mean 'Input'? Or write its op: inputt: <Op>(...). All names: opgraph ops"""),
    ("x -> 全连接 (my_conv_1)", """\
net.txt:1:6  the id 'my_conv_1' speaks of Conv2D, the label '全连接' of Dense
   1 │ x -> 全连接 (my_conv_1)
            ^^^^^^^^^^^^^^^^^^
   write which: my_conv_1: Conv2D"""),
    ("x -> c: Conv2D\nc: Dense", """\
net.txt:2:4  c: the op is 'Dense' here, 'Conv2D' elsewhere
   2 │ c: Dense
          ^^^^^
   the other one stands at net.txt:1:9"""),
    ("x -> 甲 (conv)\n乙 (conv) -> relu", """\
net.txt:2:1  conv: the label is '乙' here, '甲' elsewhere
   2 │ 乙 (conv) -> relu
       ^^^^^^^^^
   the other one stands at net.txt:1:6"""),
    ("x -> 甲 (conv_1), 甲 (conv_2)\n甲 -> relu", """\
net.txt:2:1  '甲' is the label of several nodes: conv_1, conv_2
   2 │ 甲 -> relu
       ^^
   write the id"""),
    ("conv:\nx -> conv", """\
net.txt:1:1  expected an op after ':'
   1 │ conv:
       ^^^^
   write for instance: conv: Conv2D(filters=32)"""),
    ("x -> conv: -> relu", """\
net.txt:1:12  expected an op after ':', received '->'
   1 │ x -> conv: -> relu
                  ^^
   write for instance: c1: Conv2D(filters=32)"""),
    ("x -> a = -> relu", """\
net.txt:1:10  expected a node to share weights with, received '->'
   1 │ x -> a = -> relu
                ^^"""),
    # The wiring.
    ("x -> conv\nconv -> relu -> conv", """\
net.txt:2:9  the graph has a cycle: conv → relu → conv
   2 │ conv -> relu -> conv
               ^^^^^^^^^^^^
   an opgraph network is acyclic: take one of these edges out"""),
    ("x -> add", """\
net.txt:1:6  add: Add takes 2 or more inputs, received 1: x
   1 │ x -> add
            ^^^"""),
    ("a, b -> relu", """\
net.txt:1:4  relu: ReLU takes 1 input, received 2: a, b
   1 │ a, b -> relu
          ^^^^^^^^^
   join the inputs first, with Add or Concatenate for instance"""),
    ("x -> relu\nconv -> gap", """\
net.txt:2:1  conv: Conv2D takes 1 input, received 0
   2 │ conv -> gap
       ^^^^
   nothing leads to this node: connect it, or give it the type Input"""),
    ("x -> y: Input", """\
net.txt:1:1  y: Input takes no input, received 1: x
   1 │ x -> y: Input
       ^^^^^^^^^^^^^
   nothing may lead to an input"""),
    ("x -> relu\ny: Input", """\
net.txt:2:1  y: leads nowhere
   2 │ y: Input
       ^^^^^^^^
   connect it: y -> ..., or take it out"""),
    ("x -> relu\nfoo: Opaque(class_name=Foo) -> gap", """\
net.txt:2:1  foo: cannot be reached from any input
   2 │ foo: Opaque(class_name=Foo) -> gap
       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
   connect it, or give it the type Input"""),
    ("x -> add\ny -> add\nx -> add", """\
net.txt:3:1  add: the edge from 'x' is written twice
   3 │ x -> add
       ^^^^^^^^
   for two inputs write x, x -> add; for one, take this out (first at net.txt:1:1)"""),
    ("x -> lstm -> relu\ny -> lstm.1", """\
net.txt:2:6  lstm.1 is an output of 'lstm'; nothing can lead to it
   2 │ y -> lstm.1
            ^^^^^^
   if that is a name of its own: "lstm.1\""""),
    ("x -> relu\nrelu@1 -> gap", """\
net.txt:2:1  @1 is an input of 'relu'; nothing can come from it
   2 │ relu@1 -> gap
       ^^^^^^
   if that is a name of its own: "relu@1\""""),
    ("x -> mha@que: MultiHeadAttention\ny -> mha", """\
net.txt:1:6  mha: has no input 'que'
   1 │ x -> mha@que: MultiHeadAttention
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^
   its inputs: @query, @value, @key; if it is part of the name: "mha@que\""""),
    ("x -> relu@3", """\
net.txt:1:6  relu: has no input '3'
   1 │ x -> relu@3
            ^^^^^^
   its inputs: @x; if it is part of the name: "relu@3\""""),
    ("x -> sub@1: Subtract\ny -> sub@1", """\
net.txt:2:1  sub: input @1 is taken by 'x' (at net.txt:1:1)
   2 │ y -> sub@1
       ^^^^^^^^^^"""),
    ("x -> add@3\ny -> add@1", """\
net.txt:1:1  add: input slots 1, 3 leave a gap
   1 │ x -> add@3
       ^^^^^^^^^^"""),
    ("x -> a = b", """\
net.txt:1:6  cannot tell what 'a' is
   1 │ x -> a = b
            ^^^^^
   write its op: a: <Op>(...). All names: opgraph ops"""),
    ("x -> fc_a = fc_b", """\
net.txt:1:6  fc_a: shares the weights of 'fc_b', which is not there
   1 │ x -> fc_a = fc_b
            ^^^^^^^^^^^"""),
    ("x -> fc_a, conv_b\nfc_a = conv_b\nfc_a: Dense", """\
net.txt:1:6  fc_a: Dense cannot share weights with 'conv_b': Conv2D
   1 │ x -> fc_a, conv_b
            ^^^^"""),
    ("x -> fc_a, fc_b, fc_c\nfc_a = fc_b; fc_a = fc_c", """\
net.txt:2:21  fc_a: shares the weights of 'fc_c' here, of 'fc_b' elsewhere
   2 │ fc_a = fc_b; fc_a = fc_c
                           ^^^^
   the other one stands at net.txt:2:8"""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MESSAGES, ids=[text for text, _ in MESSAGES])
def test_messages(text, expected):
    assert message(text) == expected


def test_sharing_in_a_circle():
    assert message("x -> fc_a, fc_b\nfc_a = fc_b\nfc_b = fc_a").splitlines()[0] == (
        "net.txt:1:6  fc_a: shares weights in a circle, by way of 'fc_b'"
    )


def test_all_findings_at_once_in_the_order_of_the_text():
    text = "x -> Conv9(f=1) -> conv[filter=1]\ny ->\n| a\nz -> conv2[filters=x]\nadd2 -> foo"
    with pytest.raises(Problems) as caught:
        parse(Source("net.txt", text))
    found = [(error.place.line, error.place.column, error.problem) for error in caught.value.errors]
    assert found == [
        (1, 6, "unknown op 'Conv9'"),
        (1, 25, "Conv2D has no attribute 'filter'"),
        (3, 1, "expected a name after '->', received '|'"),
        (4, 12, "expected a whole number of at least 1, received 'x'"),
        (5, 1, "Add takes 2 or more inputs, received 0"),
        (5, 9, "cannot tell what 'foo' is"),
    ]


def test_what_a_broken_line_may_have_said_is_not_reported():
    """`conv` has no input, but a line that names it could not be read."""
    assert message("x -> -> conv\nconv -> relu").count("net.txt:") == 1
    assert message("x -> relu\nconv -> gap\ny -> -> z").count("net.txt:") == 2


def test_only_the_first_findings_are_shown_and_the_rest_counted():
    text = "\n".join(f"x -> foo{i}bar" for i in range(30))
    with pytest.raises(Problems) as caught:
        parse(text)
    assert len(caught.value.errors) == 20
    assert str(caught.value).endswith("\n\nand 10 more")
    assert caught.value.problem == "30 problems"


def test_garbage_is_given_up():
    with pytest.raises(Problems) as caught:
        parse("-> x\n" * 5000)
    assert caught.value.problem == "1,000 problems"


def test_carets_stand_under_wide_characters():
    line, carets = message("输入 (x) -> 卷积层 -> é\u0301 -> 怪 -> relu").splitlines()[6:8]
    assert line == "   1 │ 输入 (x) -> 卷积层 -> é\u0301 -> 怪 -> relu"
    # 输入 and 卷积层 take two columns a character, the accent none.
    assert carets == " " * len("   1 │ 1122 (x) -> 112233 -> e -> ") + "^^"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b", """\
--set:1:4  expected '=' and a value
   1 │ a.b
          ^
   write it as batch_norm*.momentum=0.9"""),
        ("momentum=0.9", """\
--set:1:1  expected nodes before the attribute
   1 │ momentum=0.9
       ^
   write it as batch_norm*.momentum=0.9"""),
        ("bn*.=0.9", """\
--set:1:5  expected an attribute
   1 │ bn*.=0.9
           ^
   write it as batch_norm*.momentum=0.9"""),
        ("bn*.momentum=", """\
--set:1:14  expected a value, received the end of the text
   1 │ bn*.momentum=
                    ^
   a value is a number, a word, a quoted string, (3, 3), [1, 2] or 3x3"""),
        ("bn*.momentum=0.9 x", """\
--set:1:18  expected the end, received 'x'
   1 │ bn*.momentum=0.9 x
                        ^
   a value with blanks or marks is written in quotes"""),
        ("bn*.momentum=(1", """\
--set:1:14  '(' is not closed
   1 │ bn*.momentum=(1
                    ^
   add ')'"""),
    ],
)  # fmt: skip
def test_messages_of_settings(text, expected):
    with pytest.raises(ParseError) as caught:
        parse_setting(text)
    assert str(caught.value) == expected
