"""The command line typed in this process: what it printed and how it ended."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from infra.ops.__main__ import main


@dataclass(frozen=True)
class Typed:
    """One command's end."""

    code: object
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """What `--json` printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def good(self) -> Typed:
        """It ended well."""
        assert self.code in {0, None}, self.err
        return self

    def bad(self, code: int, *words: str) -> Typed:
        """It ended with one error and one hint, which say this."""
        assert self.code == code, (self.code, self.out, self.err)
        last = self.err.splitlines()[-2:]
        assert last[0].startswith("error: ")
        assert last[1].startswith("hint: ")
        assert all(word in self.err for word in words), self.err
        return self


def edgedrop(*words: object) -> Typed:
    """Type it; nobody answers questions."""
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", ["edgedrop", *map(str, words)]),
        patch.object(sys, "stdin", io.StringIO()),
    ):
        try:
            main()
        except SystemExit as ended:
            return Typed(ended.code, out.getvalue(), err.getvalue())
    return Typed(None, out.getvalue(), err.getvalue())
