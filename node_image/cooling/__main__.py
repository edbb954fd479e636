"""`python3 -m node_image.cooling`: look, decide, act, once a second; HAProxy and people are answered beside."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.cooling import AGENT_PORT, STATUS_PORT
from node_image.cooling.agent import Agent, Places
from node_image.cooling.ladder import DWELL_S
from node_image.cooling.web import make_app
from node_image.service import log


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    sensors_dir: Path = Path("/host/sys/class")
    proc_dir: Path = Path("/proc")
    run_dir: Path = Path("/run/edgedrop")
    host: str = "0.0.0.0"  # noqa: S104  the node's own network
    port: int = STATUS_PORT
    agent_port: int = AGENT_PORT
    every_s: float = 1.0
    dwell_s: float = DWELL_S


def main() -> int:
    """Serve until told to stop; then the fans are given back."""
    settings = Settings()
    agent = Agent(Places(settings.sensors_dir, settings.proc_dir, settings.run_dir), settings.dwell_s)
    app = make_app(agent, settings.host, settings.agent_port, settings.every_s)
    log("cooling serves", port=settings.port, agent_port=settings.agent_port, sensors=str(settings.sensors_dir))
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
