"""How the command line ends: known faults in two lines, Ctrl-C as a shell expects it, no traceback unasked."""

from __future__ import annotations

import sys

import pytest
import typer

from infra.errors import Unreachable
from infra.ops import __main__ as cli


def ends(monkeypatch: pytest.MonkeyPatch, fault: BaseException, *options: str) -> object:
    """The exit code when a command meets the fault."""

    def meet() -> None:
        raise fault

    monkeypatch.setenv("EDGEDROP_DEBUG", "")  # put back after the test, whatever main makes of it
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(cli.options)
    app.command("meet")(meet)
    monkeypatch.setattr(cli, "make_app", lambda _: app)
    monkeypatch.setattr(sys, "argv", ["edgedrop", *options, "meet"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_a_known_fault(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(monkeypatch, Unreachable("it is silent", "wake it")) == 5
    assert capsys.readouterr().err == "error: it is silent\nhint: wake it\n"


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(monkeypatch, Unreachable("it is silent", "wake it"), "--debug") == 5
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, KeyboardInterrupt()) == 130


def test_no_such_option_is_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, KeyboardInterrupt(), "--no-such") == 2


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_is_found_alone(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.make_app([name])([name, "--help"])
    assert ended.value.code == 0
    assert name in capsys.readouterr().out


def test_help_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.make_app(["--help"])(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in cli.COMMANDS)
