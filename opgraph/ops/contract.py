"""What every op must keep: a check for the ops of the library and for those that users add.

Needs neither pytest nor Keras. Knows the form of an op, no particular one.

    from opgraph.ops.contract import Case, check_op

    def test_double():
        check_op(Double, [Case({"factor": 2}, [(8, 3)], output=(8, 3), flops=24)])
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from opgraph.errors import AttributeValueError, ShapeError
from opgraph.ops.spec import Dim, Op, Shape, Weight


class _Unsaid:
    """Marks an expectation that a case leaves open."""

    def __repr__(self) -> str:
        return "unsaid"


UNSAID: Final[Any] = _Unsaid()


@dataclass(frozen=True)
class Case:
    """Attributes and input shapes of an op, and as much as is known of what must follow.

    Attributes:
        attrs: attribute values, as they would be written.
        inputs: one shape for each input, without the batch.
        output: the expected shape, or a list of one for each port.
        weights: the expected shape of each array, in order.
        flops: the expected number of operations.
        refuses: part of the message with which these inputs must be refused.
    """

    attrs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inputs: Sequence[Shape] = ()
    output: Any = UNSAID
    weights: Any = UNSAID
    flops: Any = UNSAID
    refuses: str | None = None


def check_op(kind: type[Op], cases: Iterable[Case]) -> None:
    """Check an op against the contract, on the cases given.

    Attributes come back as they were put in and are documented; wrong ones are refused by name;
    shape, weights and FLOPs are as expected; unknown dimensions stay unknown and break nothing.

    Raises:
        AssertionError: what does not hold, in words.
    """
    cases = list(cases)
    _expect(bool(cases), f"{kind.kind}: give at least one case")
    _check_documented(kind)
    for case in cases:
        _Checked(kind, case).run()
    _check_refuses_attributes(kind, cases[0].attrs)


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise AssertionError(problem)


def _check_documented(kind: type[Op]) -> None:
    _expect(bool(kind.summary), f"{kind.kind} needs a docstring")
    for spec in kind.schema().values():
        _expect(bool(spec.doc.strip()), f"{kind.kind}.{spec.name} needs a doc")
    slots, fewest, most = kind.slots()
    _expect(most is None or fewest <= most, f"{kind.kind} takes {fewest} to {most} inputs")
    _expect(len(set(slots)) == len(slots), f"{kind.kind} has two slots of one name")


def _check_refuses_attributes(kind: type[Op], attrs: Mapping[str, Any]) -> None:
    """An attribute that does not exist, or has a senseless value, is refused by its name."""
    for name in ("no_such_attribute", *_strict(kind)):
        try:
            kind(**{**attrs, name: _Senseless()})
        except AttributeValueError as error:
            _expect(error.where == name, f"{kind.kind}: the error for {name} names {error.where}")
        else:
            raise AssertionError(f"{kind.kind} takes any value for {name}")


class _Senseless:
    """A value that suits no attribute."""


def _strict(kind: type[Op]) -> Iterator[str]:
    """Attributes whose converter looks at what it gets."""
    for spec in kind.schema().values():
        try:
            spec.convert(_Senseless())
        except (ValueError, TypeError):
            yield spec.name


class _Checked:
    """One case of an op."""

    def __init__(self, kind: type[Op], case: Case) -> None:
        self.case = case
        self.op = kind(**case.attrs)
        self.name = f"{self.op!r} on {', '.join(map(str, case.inputs)) or 'no input'}"

    def run(self) -> None:
        self.check_attributes()
        if self.case.refuses is not None:
            return self.check_refusal(self.case.refuses)
        known = self.outputs(self.case.inputs)
        self.check_expected(known)
        if all(shape is not None for shape in cast("list[Shape | None]", known)):
            self.check_flops(known)
            self.check_unknown_dims(known)
        return None

    def check_attributes(self) -> None:
        """Values survive a second making, make equal ops, and cannot be changed."""
        again = type(self.op)(**self.op.values())
        _expect(again == self.op, f"{self.op!r} made from its own values is {again!r}")
        _expect(hash(again) == hash(self.op), f"{self.op!r} and its equal differ in hash")
        for name in self.case.attrs:
            _expect(name in self.op.values(), f"{self.op!r} has lost {name}")

    def check_refusal(self, part: str) -> None:
        try:
            received = self.outputs(self.case.inputs)
        except ShapeError as error:
            _expect(part in str(error), f"{self.name}: expected {part!r} in {str(error)!r}")
        else:
            raise AssertionError(f"{self.name}: must be refused, gives {received}")

    def outputs(self, inputs: Sequence[Shape]) -> list[Shape]:
        shape = self.op.shape(*inputs)
        return cast("list[Shape]", shape) if isinstance(shape, list) else [shape]

    def check_expected(self, known: list[Shape]) -> None:
        expected = self.case.output
        if expected is not UNSAID:
            wanted = expected if isinstance(expected, list) else [expected]
            _expect(known == wanted, f"{self.name}: expected output {wanted}, received {known}")
        arrays = {key: weight.shape for key, weight in self.weights(self.case.inputs).items()}
        if self.case.weights is not UNSAID:
            wanted = dict(self.case.weights)
            _expect(
                list(arrays.items()) == list(wanted.items()),
                f"{self.name}: expected weights {wanted}, received {arrays}",
            )

    def weights(self, inputs: Sequence[Shape]) -> dict[str, Weight]:
        return self.op.weights(*inputs) or {}

    def check_flops(self, known: list[Shape]) -> None:
        if any(None in shape for shape in (*self.case.inputs, *known)):
            return
        flops = self.op.flops(*self.case.inputs)
        whole = flops is None or (type(flops) is int and flops >= 0)
        _expect(whole, f"{self.name}: flops must be a whole number or None, is {flops!r}")
        if self.case.flops is not UNSAID:
            wanted = self.case.flops
            _expect(flops == wanted, f"{self.name}: expected {wanted} flops, received {flops}")

    def check_unknown_dims(self, known: list[Shape]) -> None:
        """With any dimension unknown, nothing that is still said contradicts what is known."""
        arrays = {key: weight.shape for key, weight in self.weights(self.case.inputs).items()}
        for inputs in _with_one_unknown(self.case.inputs):
            where = f"{self.op!r} on {', '.join(map(str, inputs))}"
            vague = self.outputs(inputs)
            _expect(
                len(vague) == len(known) and all(map(_agree, vague, known)),
                f"{where}: {vague} contradicts {known}",
            )
            less = {key: weight.shape for key, weight in self.weights(inputs).items()}
            _expect(
                list(less) == list(arrays) and all(_agree(less[key], arrays[key]) for key in less),
                f"{where}: weights {less} contradict {arrays}",
            )
            self.op.reach(*inputs)


def _agree(vague: Sequence[Dim], known: Sequence[Dim]) -> bool:
    """Whether a shape says nothing else than another one, though perhaps less."""
    return len(vague) == len(known) and all(
        a is None or a == b for a, b in zip(vague, known, strict=True)
    )


def _with_one_unknown(inputs: Sequence[Shape]) -> Iterator[list[Shape]]:
    for at, shape in enumerate(inputs):
        for axis in range(len(shape)):
            vague = (*shape[:axis], None, *shape[axis + 1 :])
            yield [*inputs[:at], vague, *inputs[at + 1 :]]
