"""The timing rules of a machine as words for the engine: for every command and node what to check and what to forbid.

`tables` is one flat int64 array; the facts below come first, whatever else a table holds follows them. A target is any
node of a channel: banks come first, then the channel, its pseudo-channels, ranks and bank groups.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

LEVELS = ("channel", "pseudo_channel", "rank", "bank_group", "bank")
NEVER = -(1 << 60)  # long before cycle 0


def numbers(begin: int, end: int) -> Iterator[Any]:
    """Typed constants: Numba compiles a function anew for every literal that it is called with."""
    return map(np.int64, range(int(begin), int(end)))


(COMMANDS, TARGETS, AT_ENTRY, AT_READY, AT_RING) = numbers(0, 5)
CORE_FACTS = 5
"""How many commands and targets there are; where the entries begin in `tables`; where, in the words of a channel, the
first legal cycles [target, command] and the rings of the counting rules begin."""

(CHECKS, EFFECTS, LIMITS, COUNTED, ENTRY_FIELDS) = numbers(0, 5)
"""Fields of an entry, one for every command and target; each is where a list begins that ends where the next begins.

CHECKS: slots of the first legal cycles to look at. EFFECTS: slot, cycles, step: after n commands from cycle t on, the
slot is not ready before t + (n - 1)*step + cycles. LIMITS: ring, cycles: the oldest time in the ring must be that long
ago. COUNTED: ring, size: where to note the command. A ring is its next index, then its times.
"""


class Geometry(NamedTuple):
    """Numbers of the nodes of a channel: banks come first, in the order of their indices; then channel, ... bank groups."""

    extents: tuple[int, ...]  # of each level
    first: tuple[int, ...]  # target number of the first node of each level
    paths: list[tuple[int, ...]]  # [target] targets from the channel down to this one
    indices: list[tuple[int, ...]]  # [target] index at each level from the channel down

    @property
    def banks(self) -> int:
        return int(np.prod(self.extents))

    def target(self, indices: Iterable[int]) -> int:
        """The node with these indices, one for each level from pseudo-channel on; fewer name a higher node."""
        level = position = 0
        for level, index in enumerate(indices, 1):
            position = position * self.extents[level] + index
        return self.first[level] + position


def geometry(memory: dict[str, Any]) -> Geometry:
    """The tree of a channel."""
    counts = ("pseudo_channels", "ranks", "bank_groups", "banks_per_group")
    extents = (1, *(memory[key] for key in counts))
    sizes = np.cumprod(extents).tolist()
    first = [int(sizes[-1] + sum(sizes[:level])) for level in range(len(LEVELS) - 1)] + [0]
    paths: list[tuple[int, ...]] = [()] * (sum(sizes))
    indices: list[tuple[int, ...]] = [()] * (sum(sizes))
    for level in range(len(LEVELS)):
        for position, index in enumerate(product(*(range(extent) for extent in extents[: level + 1]))):
            above = paths[first[level - 1] + position // extents[level]] if level else ()
            paths[first[level] + position] = (*above, first[level] + position)
            indices[first[level] + position] = index
    return Geometry(extents, tuple(first), paths, indices)


Rules = dict[tuple[int, int], dict[int, int]]  # (preceding, level) -> {following: cycles}
Columns = dict[
    tuple[int, int, int], int
]  # (preceding, level, following) -> cycles for each column of the preceding one


def build_entries(words: list[int], machine: dict[str, Any], tree: Geometry) -> list[int]:
    """Add the entries to the words of a table and set its facts; the rings of a channel before the first command.

    The table's AT_READY and AT_RING are left to whoever lays out the words of a channel.
    """
    count = len(machine["command"])
    number = {name: index for index, name in enumerate(machine["command"])}
    words[COMMANDS], words[TARGETS] = count, len(tree.paths)

    def add(values: Iterable[int]) -> int:
        begin = len(words)
        words.extend(int(value) for value in values)
        return begin

    rules: Rules = {}
    beside: Rules = {}  # for the other nodes of a level
    columns: Columns = {}
    windows: list[tuple[int, set[int], set[int], int, int, int]] = []
    rings: list[int] = []
    for rule in machine["constraint"]:
        level, cycles, size = LEVELS.index(rule["level"]), rule["cycles"], rule["window"]
        before, after = ({number[name] for name in rule[key]} for key in ("preceding", "following"))
        if size > 1:
            windows.append((level, before, after, cycles, size, len(rings)))
            rings += [0, *[NEVER] * size] * len(tree.paths)
        elif cycles > 0:
            for first, second in product(before, after):
                pairs = (beside if rule["siblings"] else rules).setdefault((first, level), {})
                pairs[second] = max(cycles, pairs.get(second, 0))
                if rule["column_cycles"]:
                    columns[first, level, second] = rule["column_cycles"]
    _drop_weaker(rules, count)
    limited = {
        (level, command) for table in (rules, beside) for (_, level), pairs in table.items() for command in pairs
    }
    below = [[node for node, above in enumerate(tree.paths) if target in above] for target in range(len(tree.paths))]

    table = words[AT_ENTRY] = add([0] * (count * len(tree.paths) * int(ENTRY_FIELDS) + 1))
    for command, (name, description) in enumerate(machine["command"].items()):
        scope, echo = LEVELS.index(description["scope"]), machine["controller"]["echo"].get(name)
        spacing = _spacing(rules, command) if not description["min_columns"] else [0] * len(LEVELS)
        for target, path in enumerate(tree.paths):
            nodes = [*path[: scope + 1]]
            if machine["controller"]["waits_for_all"]:
                nodes += [node for node in below[target] if node not in path]
            checks = [node * count + command for node in nodes if (len(tree.paths[node]) - 1, command) in limited]
            effects = {
                node * count + after: (cycles, spacing[level if after == command else scope])
                for level, node in enumerate(path)
                for after, cycles in rules.get((command, level), {}).items()
            }
            for (first, level, after), step in columns.items():
                if first == command and level < len(path):
                    slot = path[level] * count + after
                    effects[slot] = (effects.get(slot, (0, 0))[0] + step * description["min_columns"], step)
            for level, node in enumerate(path[1:], 1):
                for other in (other for other in below[path[level - 1]] if len(tree.paths[other]) == level + 1):
                    if other != node:
                        for after, cycles in beside.get((command, level), {}).items():
                            slot = other * count + after
                            effects[slot] = max((cycles, spacing[scope]), effects.get(slot, (0, 0)))
            for bank in _echoed(echo, target, tree) if echo else ():
                for after, cycles in rules.get((command, len(LEVELS) - 1), {}).items():
                    effects[bank * count + after] = (cycles, spacing[scope])
            near = [(w, w[5] + path[w[0]] * (1 + w[4])) for w in windows if w[0] < len(path)]
            limits = [(ring, w[3]) for w, ring in near if command in w[2] and w[0] <= scope]
            counted = [(ring, w[4]) for w, ring in near if command in w[1]]
            entry = table + (command * len(tree.paths) + target) * ENTRY_FIELDS
            words[entry + CHECKS] = add(checks)
            words[entry + EFFECTS] = add(
                word for slot, (cycles, step) in effects.items() for word in (slot, cycles, step)
            )
            for field, pairs in ((LIMITS, limits), (COUNTED, counted)):
                words[entry + field] = add(word for pair in pairs for word in pair)
            words[entry + ENTRY_FIELDS] = len(words)
    return rings or [0]


def _drop_weaker(rules: Rules, commands: int) -> None:
    """Leave out rules that a rule of a level above contains: whoever looks at a node looks at those above, too."""
    for command in range(commands):
        strictest: dict[int, int] = {}
        for level in range(len(LEVELS)):
            pairs = rules.get((command, level), {})
            rules[command, level] = {
                after: cycles for after, cycles in pairs.items() if cycles > strictest.get(after, 0)
            }
            strictest |= rules[command, level]


def spacing(machine: dict[str, Any], command: str) -> int:
    """Distance in cycles of equal commands that follow each other in one node of their scope."""
    scope = LEVELS.index(machine["command"][command]["scope"])
    distances = (
        rule["cycles"]
        for rule in machine["constraint"]
        if command in rule["preceding"] and command in rule["following"]
        if rule["window"] == 1 and not rule["siblings"] and LEVELS.index(rule["level"]) <= scope
    )
    return max(1, max(distances, default=1))


def _spacing(rules: Rules, command: int) -> list[int]:
    """Distance of equal commands that stay in one node, as each level sees it."""
    spacing = [1]
    for level in range(len(LEVELS)):
        spacing.append(max(spacing[-1], rules.get((command, level), {}).get(command, 1)))
    return spacing[1:]


def _echoed(echo: dict[str, str], target: int, tree: Geometry) -> list[int]:
    index = tree.indices[target]
    if len(index) < len(LEVELS):
        return []
    choices = []
    for level, name in enumerate(LEVELS[1:], 1):
        source = echo.get(name, name)
        choices.append(range(tree.extents[level]) if source == "all" else (index[LEVELS.index(source)],))
    return [
        tree.target(banks)
        for banks in product(*choices)
        if all(i < n for i, n in zip(banks, tree.extents[1:], strict=True))
    ]
