"""The story of a training step: what each number was computed from, checked independently.

Knows the tensors of a step, the graph and plain facts of the run; must not know TensorFlow or any
page or terminal, and prints nothing.
"""

from opgraph.story.catalogue import LANGUAGES, Catalogue, read_catalogue
from opgraph.story.follow import seen_pictures, tell_life
from opgraph.story.formula import (
    Call,
    Expr,
    Fraction,
    Minus,
    Num,
    Over,
    Power,
    Product,
    Sum,
    Sym,
    evaluate,
)
from opgraph.story.life import Element, Life, Moment, live, read_element
from opgraph.story.model import (
    PHASES,
    Block,
    Cell,
    Check,
    Item,
    Phase,
    Picture,
    Sentence,
    Story,
    Table,
    Worked,
    say,
)
from opgraph.story.numerals import numeral
from opgraph.story.tell import check_choice, tell_story
from opgraph.story.view import RunFacts

__all__ = [
    "LANGUAGES",
    "PHASES",
    "Block",
    "Call",
    "Catalogue",
    "Cell",
    "Check",
    "Element",
    "Expr",
    "Fraction",
    "Item",
    "Life",
    "Minus",
    "Moment",
    "Num",
    "Over",
    "Phase",
    "Picture",
    "Power",
    "Product",
    "RunFacts",
    "Sentence",
    "Story",
    "Sum",
    "Sym",
    "Table",
    "Worked",
    "check_choice",
    "evaluate",
    "live",
    "numeral",
    "read_catalogue",
    "read_element",
    "say",
    "seen_pictures",
    "tell_life",
    "tell_story",
]
