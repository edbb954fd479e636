"""A key is made once, whoever wants it in the same moment: runs, and the threads of one provider process."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra import keys
from infra.home import place, write_private

AT_ONCE = 8


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


def test_threads_that_want_a_key_at_once_get_the_same() -> None:
    together = threading.Barrier(AT_ONCE)

    def made() -> bytes:
        together.wait()  # all have seen that there is none
        return secrets.token_bytes(16)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = {kept.result() for kept in [pool.submit(keys.kept, "one.key", made) for _ in range(AT_ONCE)]}
    assert len(found) == 1
    assert [path.name for path in place("keys", "one.key").parent.iterdir()] == ["one.key"]


def test_threads_that_write_a_file_at_once_leave_one_whole() -> None:
    path, said = place("told"), [bytes([number]) * 4096 for number in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda data: write_private(path, data), said * 8))
    assert path.read_bytes() in said
