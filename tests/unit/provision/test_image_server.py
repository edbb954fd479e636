"""What a box's Docker asks of a registry, asked over a socket pair: manifests and blobs by digest, nothing else."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from infra.bundle.images import MANIFEST_TYPE, Images
from infra.errors import Unreachable
from infra.provision.image_server import ImageServer
from tests.unit.bundle.a_bundle import TinyImages


class Asked:
    """One connection, as Docker keeps it open; `sent` is how many bytes of blobs the server told of."""

    def __init__(self, images: Images) -> None:
        ours, theirs = socket.socketpair()
        self.sent: list[int] = []
        self.server = ImageServer(images, self.sent.append)
        self.client = http.client.HTTPConnection("box")
        self.client.sock = ours
        self.thread = threading.Thread(target=self.server.serve, args=(theirs,))
        self.thread.start()

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.client.request("GET", path)
        answer = self.client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


@pytest.fixture
def images() -> TinyImages:
    return TinyImages()


@pytest.fixture
def asked(images: TinyImages) -> Iterator[Asked]:
    made = Asked(images)
    yield made
    made.client.close()
    made.thread.join(5)
    assert not made.thread.is_alive()


def test_an_image_is_fetched_by_digest_over_one_connection(images: TinyImages, asked: Asked) -> None:
    digest = images.add(b"a layer", b"another")
    assert asked.get("/v2/")[0] == 200
    status, headers, data = asked.get(f"/v2/edgedrop/mint/manifests/{digest}")
    assert (status, headers["Content-Type"], headers["Docker-Content-Digest"]) == (200, MANIFEST_TYPE, digest)
    assert data == images.held[digest]
    layer = f"sha256:{hashlib.sha256(b'a layer').hexdigest()}"
    assert asked.get(f"/v2/edgedrop/mint/blobs/{layer}")[2] == b"a layer"
    assert sum(asked.sent) == len(b"a layer")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2/_catalog",
        "/v2/edgedrop/mint/manifests/latest",
        "/v2/edgedrop/../mint/blobs/sha256:" + "0" * 64,
        "/v2/other/mint/blobs/sha256:" + "0" * 64,
        "/v2/edgedrop/mint/blobs/sha256:" + "0" * 64,
        "/v2/edgedrop/mint/blobs/sha256:../../etc/passwd",
    ],
)
def test_nothing_else_is_given(asked: Asked, path: str) -> None:
    assert asked.get(path)[0] == 404
    assert asked.get("/v2/")[0] == 200, "the connection goes on"


class Away(TinyImages):
    def manifest(self, _name: str, digest: str) -> bytes:
        raise Unreachable(f"no registry for {digest}", "is the lab up?")


def test_what_cannot_be_given_is_told_in_our_words() -> None:
    made = Asked(Away())
    assert made.get("/v2/edgedrop/mint/manifests/sha256:" + "0" * 64)[0] == 404
    made.thread.join(5)
    assert [fault.message for fault in made.server.faults] == ["no registry for sha256:" + "0" * 64]
    made.client.close()
