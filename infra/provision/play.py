"""Runs a playbook on one node by ansible-runner: progress told task by task, a time limit, one folder a run."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ansible_runner

from infra.errors import EdgedropError
from infra.home import ROOT, place
from infra.provision.lock import play_lock
from infra.provision.ssh import Host

PLAYBOOKS = ROOT / "playbooks"
PLAY_S = 900
ENVIRONMENT = {
    "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
    # Else the runner switches it off, over the configuration, and ssh takes the first word it is given.
    "ANSIBLE_HOST_KEY_CHECKING": "True",
    "ANSIBLE_NOCOLOR": "1",
}


def play(host: Host, playbook: str, hostvars: dict[str, Any], say: Callable[[str], None]) -> None:
    """Play it on the node alone; EdgedropError names the task that failed and where the whole output is."""
    run = uuid.uuid4().hex[:8]
    folder = place("runs", run, "env").parent
    said = _Told(say)
    with play_lock(host, run):
        done = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=str(PLAYBOOKS),
            playbook=playbook,
            inventory={"appliances": {"hosts": {host.node: hostvars}}},
            envvars=ENVIRONMENT,
            suppress_env_files=True,
            quiet=True,
            settings={"suppress_ansible_output": True},
            timeout=PLAY_S,
            event_handler=said.hear,
            cancel_callback=lambda: os.getppid() == 1,  # whoever wanted it is gone
        )
    if done.status != "successful":
        raise EdgedropError(
            f"{playbook} on {host.node}: {said.fault or done.status}", f"all it said: {_output(folder)}"
        )
    shutil.rmtree(folder, ignore_errors=True)


class _Told:
    """What the play tells while it runs; `fault` is the first task that failed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun = time.monotonic()
        self.fault = ""

    def hear(self, event: dict[str, Any]) -> bool:
        """True, so that the runner keeps its own record; never blocks."""
        data = event.get("event_data") or {}
        if event.get("event") == "playbook_on_task_start" and not str(data.get("task")).startswith("Validating "):
            self._say(f"{time.monotonic() - self._begun:3.0f} s  {data.get('role', '')}: {data.get('task', '')}")
        elif event.get("event") in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            told = (data.get("res") or {}).get("msg") or "it said nothing"
            self.fault = self.fault or f"{data.get('task', 'before the first task')}: {_one_line(told)}"
        return True


def _one_line(told: object) -> str:
    return " ".join(str(told).split())[:400]


def _output(folder: Path) -> str:
    return str(next(iter(folder.glob("artifacts/*/stdout")), folder))
