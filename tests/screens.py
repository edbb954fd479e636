"""A responder's screens for docs/screens: the pages' commands, typed in tmux against a drop that is up.

    edgedrop up lab harbour-lights --yes && python -m tests.screens harbour-lights

Each file is what tmux showed, as it stood, beneath two lines of what it is. The drop is left as it was found, but for
what `edgedrop up` mends.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.home import ROOT
from tests.e2e.reimaging import NODE, WIPE
from tests.e2e.standing import docker

FOLDER = ROOT / "docs" / "screens"
SOCKET = "edgedrop-screens"
COLUMNS, LINES = 120, 60
PROMPT, QUESTION = "$", "[y/N]:"
ANSWER_S = 420.0
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Screen:
    """What is typed, after `before` was done to the drop's box; `about` is the file's head."""

    name: str
    about: str
    typed: tuple[str, ...]
    before: Callable[[str], object] = str


def hang(stack: str) -> None:
    """The mint of the page's node stops where it is."""
    docker("exec", f"{stack}-{NODE}", "pkill", "-STOP", "-f", "node_image.mint")


def wipe(stack: str) -> None:
    """All that was put on its box is gone but the volumes, which hold journal and key."""
    docker("exec", f"{stack}-{NODE}", "sh", "-c", WIPE)


SCREENS = (
    Screen(
        "failover",
        "The quay's appliance is hot: all claims go to its spare, and back (docs/runbooks/failover.md).",
        (
            'edgedrop failover quay --drop {stack} --reason "the appliance is hot"',
            "edgedrop status {stack}",
            "edgedrop failback quay --drop {stack}",
        ),
    ),
    Screen(
        "recover",
        "The quay's appliance does not answer: its mint hangs (docs/runbooks/recover.md).",
        ("edgedrop recover quay-appliance1 --drop {stack}",),
        hang,
    ),
    Screen(
        "reimage",
        "The box of the quay's appliance was wiped; its volumes are left (docs/runbooks/reimage.md).",
        ("edgedrop reimage quay-appliance1 --drop {stack}",),
        wipe,
    ),
)


class Terminal:
    """A shell in tmux, seen as a person sees it."""

    def __init__(self) -> None:
        shell = "env PS1='$ ' bash --norc --noprofile"
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        self._tmux("new-session", "-d", *size, "-c", str(ROOT), shell)
        self._until(lambda: self._prompts() > 0, "the shell")

    def type(self, line: str) -> None:
        """A command; each question is answered by yes. It has ended when the shell asks for the next one."""
        prompts, asked = self._prompts(), self._questions()
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")
        while not self._ended(prompts, asked, line):
            self._tmux("send-keys", "y", "Enter")
            asked += 1

    def shown(self) -> str:
        """All that it showed since it was opened."""
        return self._tmux("capture-pane", "-p", "-S", "-").rstrip()

    def close(self) -> None:
        """Only ours: it has a socket of its own."""
        self._tmux("kill-server")

    def _ended(self, prompts: int, asked: int, line: str) -> bool:
        """Whether it did; false where it asks once more."""
        self._until(lambda: self._prompts() > prompts or self._questions() > asked, line)
        return self._prompts() > prompts

    def _prompts(self) -> int:
        """How many lines the shell has asked for."""
        return sum(line.startswith(PROMPT) for line in self.shown().splitlines())

    def _questions(self) -> int:
        return self.shown().count(QUESTION)

    def _until(self, there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + ANSWER_S
        while not there():
            if time.monotonic() > deadline:
                raise SystemExit(f"error: {what}: no end in {ANSWER_S:.0f} s\nhint: it shows {self.shown()[-2000:]}")
            time.sleep(POLL_S)  # the pace of looking

    @staticmethod
    def _tmux(*words: str) -> str:
        command = ["tmux", "-L", SOCKET, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def capture(screen: Screen, stack: str) -> None:
    """One screen, into its file."""
    screen.before(stack)
    terminal = Terminal()
    try:
        for line in screen.typed:
            terminal.type(line.format(stack=stack))
        shown = terminal.shown().rstrip(PROMPT).rstrip()
    finally:
        terminal.close()
    FOLDER.mkdir(exist_ok=True)
    head = f"{screen.about}\nTyped in tmux against the demo's drop by tests/screens.py, as it was shown.\n\n"
    (FOLDER / f"{screen.name}.txt").write_text(head + "\n".join(line.rstrip() for line in shown.splitlines()) + "\n")
    sys.stdout.write(f"docs/screens/{screen.name}.txt\n")


def main(words: list[str]) -> int:
    """A drop's stack, and the screens that are wanted; all where none is named."""
    if not words or any(name not in {one.name for one in SCREENS} for name in words[1:]):
        sys.stderr.write(__doc__ or "")
        return 2
    if shutil.which("tmux") is None:
        sys.stderr.write("error: there is no tmux here\nhint: apt-get install tmux\n")
        return 3
    for screen in SCREENS:
        if screen.name in (words[1:] or [one.name for one in SCREENS]):
            capture(screen, words[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
