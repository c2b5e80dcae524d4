"""A tool in the loop: a coder's formula is wrong, and the calculator computes it faithfully."""

import ast
import operator
import re

from .scenario import Player, Scenario, Turn, View

_TASK = (
    "A tank of 240 litres is filled at 8 litres a minute and leaks 2 litres a minute. It is empty at first. "
    "The pump costs 3 euros a minute. What does one filling cost, in euros?"
)
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_BLOCK = re.compile(r"```calc\n(.*?)\n```", re.DOTALL)


def _code_without_leak(view: View) -> str:
    return "The minutes to fill the tank:\n```calc\n240 / 8\n```"


def _code(view: View) -> str:
    return "The minutes to fill the tank:\n```calc\n240 / (8 - 2)\n```"


def _calculate(view: View) -> str:
    block = _BLOCK.search(view.said[-1][1])
    if block is None:
        return "error: there is no calc block in the message"
    try:
        return f"result: {_value(ast.parse(block[1], mode='eval').body):g}"
    except (SyntaxError, ValueError, ZeroDivisionError) as error:
        return f"error: {error}"


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        result: float = _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
        return result
    raise ValueError("only numbers and + - * / can be calculated")


def _check(view: View) -> str:
    minutes = view.number("result", "Calculator")
    return "The calculation failed." if minutes is None else f"Checked: the pump runs {minutes:g} minutes."


def _write(view: View) -> str:
    minutes = view.number("the pump runs", "Checker")
    return "FINAL ANSWER: unknown" if minutes is None else f"FINAL ANSWER: {3 * minutes:g} euros"


SCENARIO = Scenario(
    name="tools",
    task=_TASK,
    expected="120",
    players=(
        Player("Coder", _code_without_leak, _code, prompt="You write one formula in a calc block."),
        Player("Calculator", _calculate, kind="tool"),
        Player("Checker", _check, prompt="You read the calculator's result."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(Turn("Coder"), Turn("Calculator"), Turn("Checker"), Turn("Writer")),
    culprits=(0,),
    why="The Coder's formula leaves out the leak; the Calculator computes what it is given.",
)
