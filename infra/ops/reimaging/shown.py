"""How a re-image is shown: a bar a node and one over all where somebody watches, else a line each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn

SIZE, WORDS = TextColumn("{task.fields[size]}", justify="right"), TextColumn("{task.fields[words]}")


@dataclass(frozen=True, slots=True)
class Bar:
    """One node's, its `Watch` (one.py); several threads write to one display. `name` is empty where it is alone."""

    bars: Progress
    task: TaskID
    name: str = ""

    def say(self, line: str) -> None:
        """Beside its bar where several are watched, else a line."""
        self.bars.start_task(self.task)
        self.bars.update(self.task, words=escape(line))
        if not self.name or self.bars.disable:
            before = f"{self.name}: " if self.name else ""
            self.bars.console.print(f"{before}{line}", highlight=False, soft_wrap=True, markup=False)

    def pulls(self, total: int) -> None:
        """It is seen from now on."""
        self.bars.start_task(self.task)
        self.bars.update(self.task, total=total, visible=True)

    def pulled(self, size: int) -> None:
        """So many bytes more."""
        self.bars.advance(self.task, size)
        self.bars.update(self.task, size=decimal(int(self._found.completed)))

    def has_all(self) -> None:
        """The bar is full."""
        total = self._found.total or 1
        self.bars.update(self.task, total=total, completed=total)

    def ends(self, line: str) -> None:
        """Above the bars, so that it stays in sight."""
        self.bars.stop_task(self.task)
        self.bars.update(self.task, words=escape(line))
        self.bars.console.print(f"{self.name}: {line}", highlight=False, soft_wrap=True, markup=False)

    @property
    def _found(self) -> Task:
        return next(one for one in self.bars.tasks if one.id == self.task)


@contextmanager
def bar_of_one(console: Console) -> Iterator[Bar]:
    """A node alone: lines, and a bar while its images are pulled."""
    with _bars(console) as bars:
        yield Bar(bars, bars.add_task("images", start=False, total=None, visible=False, size="", words=""))


@dataclass(frozen=True, slots=True)
class Fleet:
    """Bars by node, and one over all."""

    bars: Progress
    over_all: TaskID
    by_node: dict[str, Bar]

    def done(self, count: int, words: str) -> None:
        """So many are, and what the others do."""
        self.bars.update(self.over_all, completed=count, size=f"{count} of {len(self.by_node)}", words=words)


@contextmanager
def bars_of(names: Sequence[str], console: Console) -> Iterator[Fleet]:
    """One a node, in this order, below the one over all."""
    with _bars(console) as bars:
        over_all = bars.add_task("all", total=len(names), size="", words="")
        tasks = {name: bars.add_task(name, start=False, total=1, size="", words="waits") for name in names}
        yield Fleet(bars, over_all, {name: Bar(bars, task, name) for name, task in tasks.items()})


def _bars(console: Console) -> Progress:
    """None are drawn where nobody watches: a log would hold each of their moments."""
    columns = (TextColumn("{task.description}"), BarColumn(20), SIZE, TimeElapsedColumn(), WORDS)
    return Progress(*columns, console=console, disable=not console.is_terminal)
