"""Checks a rendered story: its arithmetic as printed, and its recorded numbers as recorded."""

import numpy as np
from arithmetic import last_place, number, read_lines, work_out

WORDS = {"en": "recorded", "zh": "记录值"}


def check_text(text, word, bracket="(± "):
    """Work every formula out again; how many lines had one."""
    lines = read_lines(text, word, bracket)
    for line in lines:
        result = line.formulas[-1]
        for formula in line.formulas[:-1]:
            again = work_out(formula)
            if again is not None:
                assert abs(again - number(result)) <= last_place(result) * 1.001, (line, again)
    return lines


def largest_of(tensors, name):
    """The largest number of the tensor that an element belongs to."""
    known = {str(key): array for key, array in tensors.arrays.items()}
    return float(np.abs(known[name.partition("[")[0]].astype(float)).max()) + 1e-6


def tensor_of(tensors, name):
    """The recorded number that an element's name stands for; None for names on the way."""
    full, _, place = name.partition("[")
    known = {str(key): key for key in tensors.arrays}
    array = tensors.arrays.get(known[full]) if full in known else None
    if array is None:
        return None
    at = tuple(int(word) for word in place.rstrip("]").split(", ")) if place else ()
    return float(array[at]) if len(at) == array.ndim else None


def check_recorded(tensors, lines):
    """What is called recorded is what was recorded, and the printed result is near it."""
    seen = 0
    for line in lines:
        truth = tensor_of(tensors, line.name)
        if truth is None or line.recorded is None:
            continue
        seen += 1
        assert np.isclose(line.recorded, truth, rtol=1e-8, atol=0), line
        allowed = line.allowed + last_place(line.formulas[-1])
        assert abs(number(line.formulas[-1]) - truth) <= allowed, line
        if not line.name.split("[")[0].endswith("bias.grad"):  # rounding only, before a BN
            assert line.allowed <= 5e-3 * largest_of(tensors, line.name), line
    return seen
