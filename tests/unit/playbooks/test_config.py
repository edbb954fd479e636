"""What ansible.cfg says is there, and what it must never say."""

from __future__ import annotations

import configparser

import pytest

from infra.home import ROOT

FILE = ROOT / "playbooks" / "ansible.cfg"


@pytest.fixture
def defaults() -> configparser.SectionProxy:
    config = configparser.ConfigParser()
    config.read(FILE)
    return config["defaults"]


def test_the_strategy_is_where_the_lock_puts_it(defaults: configparser.SectionProxy) -> None:
    """A plugin folder that is missing would be no error of Ansible's until a play."""
    place = FILE.parent / defaults["strategy_plugins"]
    assert (place / f"{defaults['strategy']}.py").exists()


def test_no_host_key_is_taken_on_trust(defaults: configparser.SectionProxy) -> None:
    assert defaults.getboolean("host_key_checking")
