"""The words, numbers and signs of a message that the rankers look at."""

import re
from typing import NamedTuple

_HEAD, _TAIL = 2_000, 1_000
"""Characters looked at: what a message says of itself stands at its two ends."""

_WORD = re.compile(r"[a-z][a-z'-]+|\d+(?:[.,:/]\d+)*")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_NAME = re.compile(r"\b[A-Z][a-z]+(?:\s+[A-Z][a-z]+)*")
_COMMON = frozenset(
    _WORD.findall(
        "the a an of to in and or is are was were be been for on at by with from as it its this that these those we "
        "i you he she they our your their will would can could should shall may might do does did not no have has had "
        "if then so than but let us let's please need using use used into about which what who when where how all any "
        "each following step steps provided information result results code python"
    )
)

SIGNS: dict[str, tuple[str, ...]] = {
    "assumes": ("assum", "hypothetic", "suppose", "supposing", "for now", "pretend", "let's say"),
    "makes up data": (
        "sample data", "sample text", "sample csv", "sample file", "mock", "simulat", "placeholder", "dummy",
        "example data", "example of", "fictional", "illustrat", "for demonstration",
    ),
    "hedges": (
        "might", " may ", "possibl", "probabl", "approximat", "likely", "seems", "appears", "perhaps", "typically",
        "generally", "usually", "estimat",
    ),
    "says it is verified": ("verif", "confirm", "validat", "correct", "accurate"),
    "agrees": ("agree", "satisfied", "consensus", "everyone"),
    "says it cannot": (
        "unable", "cannot", "can't", "couldn't", "could not", "not have access", "not have direct access",
        "not available", "inaccessible", "no access", "not found", "failed to", "did not return", "did not yield",
        "did not provide", "did not find",
    ),
    "speaks of an error": (
        "error", "exception", "traceback", "failed", "failure", "fails", "timeout", "not defined", "issue with", "bug",
    ),
    "apologises": ("sorry", "apolog", "mistake", "unfortunately"),
    "works by hand": ("manual",),
    "relies on memory": (
        "knowledge", "known", "based on general", "based on the general", "based on historical", "based on common",
        "based on my", "based on available", "based on the available", "as of", "according to", "recall",
    ),
    "concludes": (
        "therefore", "thus", "hence", "final answer", "final result", "final output", "in conclusion", "in summary",
        "conclude", "answer is", "\\boxed",
    ),
    "announces": (
        "i will", "i'll", "let's", "let me", "we need", "we should", "we can", "we will", "next,", "proceed",
        "to begin", "start by",
    ),
    "asks": (
        "?", "please provide", "please confirm", "please share", "please review", "please let", "could you", "can you",
        "@",
    ),
    "searches": ("search", "bing", "google"),
    "fetches": ("http", "requests.get", "beautifulsoup", "selenium", "scrap", "urlopen"),
    "opens a file": (
        "read_csv", "read_excel", "open(", ".csv", ".xlsx", ".pdf", ".png", ".jpg", ".mp3",
    ),
    "uses a ready function": (
        "from functions import", "arxiv_search", "image_qa", "get_youtube", "transcribe", "optical_character",
        "scrape_pdf", "youtube",
    ),
    "tries otherwise": (
        "alternativ", "instead", "another way", "another approach", "another method", "different approach", "retry",
        "try again", "correct the", "fix",
    ),
    "lists": ("\n1.", "\n2.", "\n3.", "\n- ", "\n* ", "\n| "),
    "calculates": ("\\[", "\\frac", "\\text", "= "),
}  # fmt: skip
"""What a message may show, and the pieces of text (lower case) that show it."""


class Reading(NamedTuple):
    """A message as the rankers see it."""

    text: str
    lower: str
    words: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]


def read(message: str) -> Reading:
    """The two ends of a message, and the words, numbers and names in them."""
    text = message if len(message) <= _HEAD + _TAIL else f"{message[:_HEAD]}\n{message[-_TAIL:]}"
    lower = text.lower()
    return Reading(text, lower, words(lower), numbers(text), frozenset(_NAME.findall(text)))


def words(lower: str) -> frozenset[str]:
    """The words of a text in lower case that carry meaning."""
    return frozenset(_WORD.findall(lower)) - _COMMON


def numbers(text: str) -> frozenset[str]:
    """The numbers of a text, without thousands separators."""
    return frozenset(number.replace(",", "").rstrip(".") for number in _NUMBER.findall(text))


def count(lower: str, sign: str) -> int:
    """How often a text in lower case shows a sign."""
    return sum(map(lower.count, SIGNS[sign]))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared words over all words of two messages, in [0, 1] (Jaccard)."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if one or other else 0.0


def share(found: frozenset[str], wanted: frozenset[str]) -> float:
    """How much of what is wanted was found, in [0, 1]."""
    return len(found & wanted) / len(wanted) if wanted else 0.0
