"""A lesson on a network: node by node, a step in six phases, questions, a worksheet.

Knows the story and what it is told of; must not know TensorFlow, files, or any page.
"""

from opgraph.story.lesson.model import Lesson, LessonFacts, NodePart, Question
from opgraph.story.lesson.tell import choose_steps, make_lesson
from opgraph.story.lesson.worksheet import COLUMNS, arrays_of, program, rows_of, solved_question

__all__ = [
    "COLUMNS",
    "Lesson",
    "LessonFacts",
    "NodePart",
    "Question",
    "arrays_of",
    "choose_steps",
    "make_lesson",
    "program",
    "rows_of",
    "solved_question",
]
