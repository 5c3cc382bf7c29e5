"""YAML that remembers the line of every key, so that an error can say where the mistake is.

Files are read as by ``yaml.safe_load``, with three differences: ``1e-4`` is a number (PyYAML takes it for text), dates
stay text, and a key given twice is an error. ``dump_yaml`` writes what ``parse_yaml`` reads back as the same values.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from raise_hpo.errors import UserError

Location = tuple[str | int, ...]

_FLOAT = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class YamlError(UserError):
    """A file that cannot be read as YAML with text keys."""


@dataclass(frozen=True)
class Document:
    """A YAML document: its values, its name for messages, and the line of each key or list item."""

    name: str
    data: Any
    lines: Mapping[Location, int] = field(default_factory=dict)

    def line(self, location: Location) -> int | None:
        """The line of ``location``, or of the nearest key above it; None where nothing above it has a line."""
        for length in range(len(location), 0, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return None

    def below(self, key: str) -> "Document":
        """The part of the document under one top-level key."""
        lines = {location[1:]: line for location, line in self.lines.items() if location[0] == key and location[1:]}
        return Document(self.name, self.data[key], lines)


class _Loader(yaml.SafeLoader):
    """SafeLoader whose numbers include ``1e-4`` and whose dates stay text."""


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes text which ``_Loader`` would take for a number, and never writes aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def load_yaml(path: Path) -> Document:
    """Read a file that holds a mapping.

    Raises:
        YamlError: the file cannot be read, is not YAML, or holds something else than a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise YamlError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    document = parse_yaml(text, str(path))
    if document.data is None:
        raise YamlError(f"{path}: is empty, but must hold a mapping of keys and values")
    if not isinstance(document.data, dict):
        raise YamlError(f"{path}: must hold a mapping of keys and values, not a {type(document.data).__name__}")
    return document


def parse_yaml(text: str, name: str) -> Document:
    """Read YAML text; ``name`` stands for it in messages.

    Raises:
        YamlError: the text is not YAML, or has a key that is given twice or is not text.
    """
    lines = _Lines(name)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(name, None)
        lines.walk(node)
        return Document(name, loader.construct_document(node), lines.lines)
    except yaml.MarkedYAMLError as error:
        raise YamlError(_told(error, name)) from None
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise YamlError(f"{name}: has a character that YAML does not allow (code {code})") from None
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, UserError) else YamlError(f"{name}: is not valid YAML: {error}") from None


def dump_yaml(data: Any) -> str:
    """Write plain data as YAML, keys in their order, other than ASCII characters escaped."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=120)


def dump_flow(value: Any) -> str:
    """Write a value on one line, as inside ``choice([…])``."""
    text = yaml.dump([value], Dumper=_Dumper, default_flow_style=True, width=2**31)
    return text.strip()[1:-1]


def _told(error: yaml.MarkedYAMLError, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{name} line {mark.line + 1}" if mark else name
    return f"{where}: is not valid YAML: {' '.join((error.problem or str(error)).split())}"


class _Lines:
    """Walks a document's nodes, writes down each key's line, refuses double keys and data that contains itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Location, int] = {}
        self._seen: set[int] = set()

    def walk(self, node: yaml.Node, at: Location = (), above: frozenset[int] = frozenset()) -> None:
        """Note what is in ``node``, which stands at ``at``; a part used again through an alias is noted once."""
        if id(node) in above:
            raise YamlError(f"{self.name} line {_line(node)}: {_dotted(at)} contains itself")
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        for key, value in self._entries(node, at):
            self.walk(value, (*at, key), above | {id(node)})

    def _entries(self, node: yaml.Node, at: Location) -> Iterator[tuple[str | int, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = _text_key(key, at, self.name)
                self._note((*at, name), key)
                yield name, value
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._note((*at, index), item)
                yield index, item

    def _note(self, place: Location, node: yaml.Node) -> None:
        if place in self.lines:
            first = self.lines[place]
            raise YamlError(f"{self.name} line {_line(node)}: {_dotted(place)} is given twice (first on line {first})")
        self.lines[place] = _line(node)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _text_key(key: yaml.Node, at: Location, name: str) -> str:
    tags = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
    if isinstance(key, yaml.ScalarNode) and key.tag in tags:
        return str(key.value)
    where = f" in {_dotted(at)}" if at else ""
    what = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
    raise YamlError(f'{name} line {_line(key)}: the key {what}{where} is not text; quote it ("{what}")')


def _dotted(location: Location) -> str:
    return ".".join(str(part) for part in location)
