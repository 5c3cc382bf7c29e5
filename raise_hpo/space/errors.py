"""What is wrong with a search space or a configuration, in one sentence."""

from typing import Self

from raise_hpo.errors import UserError


class SpaceError(UserError):
    """A search space that cannot be read, or a configuration that is not in it.

    ``text`` goes on from the key; ``source`` and ``line`` are put before it as soon as they are known.
    """

    def __init__(self, text: str, key: str = "", source: str = "", line: int | None = None) -> None:
        self.text, self.key, self.source, self.line = text, key, source, line
        where = f"{source} line {line}" if line else source
        super().__init__(f"{where}: {key} {text}".lstrip(": ") if key else f"{where}: {text}".lstrip(": "))

    def at(self, key: str, source: str = "", line: int | None = None) -> Self:
        """The same mistake, at a known place."""
        return type(self)(self.text, self.key or key, source or self.source, line or self.line)


def shown(value: object, limit: int = 60) -> str:
    """A value as it can stand in a sentence."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
