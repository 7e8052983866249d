"""What a student recomputes the answers from: rows of given numbers, whole arrays, a program.

Owns which there are and how they are called; files are written elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.record import Array
from opgraph.story.lesson.model import Given, Lesson

COLUMNS = ("question", "name", "value")
READ = """import csv

import numpy as np

given = {{}}
with open({csv!r}, encoding="utf-8", newline="") as file:
    for row in csv.DictReader(file):
        given.setdefault(int(row["question"]), {{}})[row["name"]] = row["value"]
arrays = np.load({npz!r})

for name in arrays.files:
    print(name, arrays[name].shape)
"""
# One question is answered; which one depends on what the network has.
ANSWERS = {
    "first_gradient": 'print((float(known["p"]) - float(known["y"])) / float(known["count"]))\n',
    "dropout": ('print(float(known["x"]) * float(known["kept"]) / (1 - float(known["rate"])))\n'),
    "params": "print(len(known))\n",
}


def rows_of(lesson: Lesson) -> Iterator[tuple[int, str, Given]]:
    """Number of the question, name and value of everything that is given."""
    for number, question in enumerate(lesson.questions, 1):
        for name, value in question.given.items():
            yield number, name, value


def arrays_of(lesson: Lesson) -> dict[str, Array]:
    """The arrays of all questions, by `node/what`."""
    found: dict[str, Array] = {}
    for question in lesson.questions:
        found |= question.arrays
    return dict(sorted(found.items()))


def solved_question(lesson: Lesson) -> int | None:
    """The number of the question that the program answers; None if there is none such."""
    kinds = [question.kind for question in lesson.questions]
    return next((kinds.index(kind) + 1 for kind in ANSWERS if kind in kinds), None)


def program(lesson: Lesson, csv: str, npz: str) -> str:
    """A program that reads the two files, lists the arrays and answers one question."""
    text = READ.format(csv=csv, npz=npz)
    number = solved_question(lesson)
    if number is None:
        return text
    kind = lesson.questions[number - 1].kind
    return f"{text}\nknown = given[{number}]\n{ANSWERS[kind]}"
