"""KMS keys through boto3 against moto's server, a real HTTP server in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from node_image.protocol.signature import ORDER, address_of, recover
from node_image.signer.keystores import HsmFault, QuotaSpent, open_keystore

REGION = "eu-central-1"
DIGEST = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Kms:
    """The server and where it listens."""

    process: subprocess.Popen[bytes]
    url: str

    def uri(self, more: str = "") -> str:
        """The keystore."""
        return f"awskms:?region={REGION}&endpoint={self.url}{more}"

    def client(self) -> Any:
        """Beside the keystore, as an operator looks at it."""
        return boto3.client("kms", region_name=REGION, endpoint_url=self.url)


@pytest.fixture(scope="module")
def kms() -> Iterator[Kms]:
    """One server for all tests of this file; credentials by the environment, as AWS has it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.moto_server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
    yield Kms(process, f"http://127.0.0.1:{port}")
    process.kill()
    process.wait()
    patch.undo()


def test_der_becomes_what_the_contract_takes(kms: Kms) -> None:
    key = open_keystore(kms.uri()).key("lights/quay-appliance1/1")
    for number in range(1, 21):
        digest = number.to_bytes(32)
        made = key.sign(digest)
        assert recover(digest, made) == address_of(key.public)
        assert int.from_bytes(made[32:64]) <= ORDER // 2
    assert key.report().latency_ms


def test_the_key_is_found_again_by_its_alias(kms: Kms) -> None:
    first, again = (open_keystore(kms.uri()).key("lights/again/1") for _ in range(2))
    assert first.public == again.public
    assert open_keystore(kms.uri()).key("lights/again/2").public != first.public
    told = kms.client().describe_key(KeyId="alias/edgedrop/lights/again/1")["KeyMetadata"]
    assert (told["KeySpec"], told["KeyUsage"]) == ("ECC_SECG_P256K1", "SIGN_VERIFY")


def test_of_many_that_need_it_first_all_get_the_same(kms: Kms) -> None:
    with ThreadPoolExecutor(6) as pool:
        keys = list(pool.map(lambda _: open_keystore(kms.uri()).key("lights/race/1"), range(6)))
    assert len({key.public for key in keys}) == 1
    described = [
        kms.client().describe_key(KeyId=one["KeyId"])["KeyMetadata"] for one in kms.client().list_keys()["Keys"]
    ]
    made = [one["KeyState"] for one in described if one["Description"] == "Edgedrop grant lights/race/1"]
    assert made.count("Enabled") == 1
    assert set(made) <= {"Enabled", "PendingDeletion"}


def test_an_alias_with_a_key_of_another_curve_is_a_fault(kms: Kms) -> None:
    made = kms.client().create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.client().create_alias(AliasName="alias/edgedrop/lights/other/1", TargetKeyId=made)
    with pytest.raises(HsmFault, match="is not ECC_SECG_P256K1"):
        open_keystore(kms.uri()).key("lights/other/1")


def test_a_kms_that_hangs_costs_a_bounded_time_and_is_found_again(kms: Kms) -> None:
    key = open_keystore(kms.uri("&timeout=0.3&tries=2")).key("lights/hang/1")
    key.sign(DIGEST)
    os.kill(kms.process.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(HsmFault, match="KMS does not answer sign: ReadTimeoutError"):
            key.sign(DIGEST)
        assert time.monotonic() - begun < 5
    finally:
        os.kill(kms.process.pid, signal.SIGCONT)
    assert recover(DIGEST, key.sign(DIGEST)) == address_of(key.public)
    assert not key.report().down


@pytest.mark.usefixtures("kms")
def test_a_kms_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(HsmFault, match="KMS does not answer describe_key"):
        open_keystore(f"awskms:?region={REGION}&endpoint=http://127.0.0.1:9&timeout=0.5&tries=1").key("a/b/1")


def test_without_credentials_it_says_which_kind_of_fault(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(HsmFault, match="NoCredentialsError"):
        open_keystore(kms.uri()).key("lights/none/1")


@contextmanager
def answering(code: str) -> Iterator[str]:
    """KMS where every request is refused with this code, as it stands in AWS's documents; moto has none of them."""

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.dumps({"__type": code, "message": "arn:aws:kms:secret"}).encode()
            self.send_response(400)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"awskms:?region={REGION}&endpoint=http://127.0.0.1:{server.server_port}&tries=1"
        server.shutdown()


@pytest.mark.usefixtures("kms")  # for its credentials
def test_awss_own_limit_is_a_spent_quota() -> None:
    with answering("ThrottlingException") as uri, pytest.raises(QuotaSpent) as spent:
        open_keystore(uri).key("a/b/1")
    assert spent.value.retry_after_s == 1.0


@pytest.mark.usefixtures("kms")
@pytest.mark.parametrize("code", ["DisabledException", "AccessDeniedException", "KMSInvalidStateException"])
def test_a_refusal_is_a_fault_by_its_code_alone(code: str) -> None:
    with answering(code) as uri, pytest.raises(HsmFault, match=f"^KMS refuses describe_key: {code}$"):
        open_keystore(uri).key("a/b/1")
