"""Which part of the inputs a position sees; beside Keras's gradients in tests/story/test_follow."""

from opgraph.analysis import analyze, seen_inputs
from opgraph.text import parse

IMAGE = "x: Input(shape=(9, 9, 1)) -> "


def seen(text, node, place):
    return seen_inputs(analyze(parse(text)), node, place)


def test_branches_are_joined():
    text = (
        f"{IMAGE} a: Conv2D(filters=2, kernel_size=1) -> s: add\n"
        "x -> b: Conv2D(filters=2, kernel_size=5, padding=same) -> s"
    )
    assert seen(text, "s", (4, 1)) == {"x": ((2, 6), (0, 3))}


def test_what_mixes_everything_sees_everything():
    assert seen(f"{IMAGE} f: flatten -> d: Dense(units=3)", "d", ()) == {"x": None}
    assert seen(f"{IMAGE} p: GlobalAveragePooling2D", "p", ()) == {"x": None}


def test_where_enlarging_or_channels_first_stand_nothing_is_claimed():
    assert seen(f"{IMAGE} u: UpSampling2D(size=2)", "u", (3, 3)) == {"x": None}
    settings = "filters=2, kernel_size=3, data_format=channels_first"
    assert seen(f"x: Input(shape=(1, 9, 9)) -> c: Conv2D({settings})", "c", (3, 3)) == {"x": None}


def test_an_input_sees_itself():
    assert seen(f"{IMAGE} r: relu", "x", (3, 8)) == {"x": ((3, 3), (8, 8))}
