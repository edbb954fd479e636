"""What a play is run with, as ansible-runner makes it of ours."""

from __future__ import annotations

from pathlib import Path

import ansible_runner

from infra.provision import play


def test_a_host_key_that_nobody_told_us_is_not_accepted(tmp_path: Path) -> None:
    """The runner switches the check off where the environment doesn't name it, and Ansible then tells ssh so first."""
    runner = ansible_runner.interface.init_runner(
        private_data_dir=str(tmp_path),
        project_dir=str(play.PLAYBOOKS),
        playbook="appliance.yml",
        envvars=play.ENVIRONMENT,
        suppress_env_files=True,
        quiet=True,
    )
    assert runner.config.env["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert runner.config.env["ANSIBLE_CONFIG"] == str(play.PLAYBOOKS / "ansible.cfg")
