"""The errors that a user can mend, each one sentence."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """Something in the user's input or surroundings is wrong; the message is a sentence that says what is valid."""


def first_line(error: Exception) -> str:
    """The first line of what an exception says, or else its kind."""
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def nearest(word: object, valid: Iterable[str]) -> str:
    """Say what would have been valid, nearest match first: ``did you mean 'asha'? valid: none, asha``."""
    names = list(valid)
    match = get_close_matches(str(word), names, n=1)
    hint = f"did you mean '{match[0]}'? " if match else ""
    return f"{hint}valid: {', '.join(names) if names else 'none'}"
