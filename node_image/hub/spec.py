"""The hub's containers as frozen data: what Pulumi (infra/components/lab.py) declares, said once and without Pulumi."""

from __future__ import annotations

from dataclasses import dataclass

SECRETS = "/run/secrets"
BUS_URL = "nats://{bus}:4222"
OWNER = "/etc/edgedrop/owner.pem"
TOKENS = "/var/lib/edgedrop/tokens"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
SOFTHSM_CONF = "/opt/edgedrop/app/node_image/signer/softhsm2.conf"  # a node's signer has the same


@dataclass(frozen=True, slots=True)
class HubFile:
    """Uploads belong to root, and services run as uid 10001: so files are 0444. Nobody else lives in the container."""

    path: str
    content: str
    secret: bool = False
    mode: str = "0444"


@dataclass(frozen=True, slots=True)
class HubVolume:
    """`suffix` follows `<stack>-` in the volume's name."""

    suffix: str
    path: str


@dataclass(frozen=True, slots=True)
class HubContainer:
    """`address` names the field of the plan's HubAddresses that holds its place in the lab's network."""

    name: str
    image: str
    address: str
    command: tuple[str, ...] = ()  # empty: the image's own
    env: tuple[tuple[str, str], ...] = ()
    files: tuple[HubFile, ...] = ()
    volumes: tuple[HubVolume, ...] = ()
    unprivileged: bool = False  # no capability, no way to new ones
    healthcheck: tuple[str, ...] = ()  # as Docker takes it: CMD, then the words


@dataclass(frozen=True, slots=True)
class HubPlaces:
    """Addresses without ports, as the other containers dial them."""

    bus: str
    ledger_db: str
    chain: str


@dataclass(frozen=True, slots=True)
class HubSecrets:
    """File contents from EDGEDROP_HOME; `bus_config` is rendered by node_image/bus and carries the bus's password."""

    bus: str
    db: str
    relayer_key: str
    hub_key: str
    witness_key: str
    cloud_tls: str  # the cloud signer's key and certificate
    authority_pem: str
    owner_public_pem: str
    bus_config: str


@dataclass(frozen=True, slots=True)
class HubTsa:
    """The authority whose timestamps the anchorer asks for; without a URL it asks none."""

    url: str = ""
    ca_pem: str = ""


def hub_containers(
    places: HubPlaces, secrets: HubSecrets, tsa: HubTsa = HubTsa(), chain_id: int = 31337
) -> tuple[HubContainer, ...]:
    """All of them, in the order they can be started in."""
    return (
        _registry(),
        _bus(secrets),
        _ledger_db(secrets),
        _chain(chain_id),
        _ledger(places, secrets),
        _relayer(places, secrets),
        _anchorer(places, secrets, tsa),
        _cloud_signer(places, secrets),
    )


def _registry() -> HubContainer:
    return HubContainer(
        "registry",
        "registry",
        "registry",
        volumes=(HubVolume("registry", "/var/lib/registry"),),
    )


def _bus(secrets: HubSecrets) -> HubContainer:
    return HubContainer(
        "bus",
        "bus",
        "bus",
        files=(HubFile("/etc/nats/nats.conf", secrets.bus_config, secret=True),),
        volumes=(HubVolume("bus", "/var/lib/nats"),),
    )


def _ledger_db(secrets: HubSecrets) -> HubContainer:
    return HubContainer(
        "ledger-db",
        "ledger-db",
        "ledger_db",
        env=(("POSTGRES_PASSWORD_FILE", f"{SECRETS}/db"),),
        files=(_secret("db", secrets.db),),
        volumes=(HubVolume("ledger-db", "/var/lib/postgresql/data"),),
        healthcheck=("CMD", "pg_isready", "-q", "-h", "127.0.0.1"),
    )


def _chain(chain_id: int) -> HubContainer:
    """Its state is kept, so that a restart of the dev chain is not a reorg to its first block."""
    words = ("anvil", "--host", "0.0.0.0", "--chain-id", str(chain_id), "--state", "/var/lib/anvil/state.json")  # noqa: S104  its own network namespace
    return HubContainer(
        "chain",
        "chain",
        "chain",
        command=(*words, "--state-interval", "5"),
        volumes=(HubVolume("chain", "/var/lib/anvil"),),
    )


def _ledger(places: HubPlaces, secrets: HubSecrets) -> HubContainer:
    return HubContainer(
        "ledger",
        "hub",
        "ledger",
        command=("python3", "-m", "node_image.hub.ledger"),
        env=(
            *_bus_client(places),
            *_database(places),
            ("EDGEDROP_OWNER_PUBLIC_KEY_FILE", OWNER),
            ("EDGEDROP_WITNESS_KEY_FILE", f"{SECRETS}/witness.pem"),
        ),
        files=(
            _secret("bus", secrets.bus),
            _secret("db", secrets.db),
            _secret("witness.pem", secrets.witness_key),
            HubFile(OWNER, secrets.owner_public_pem),
        ),
        healthcheck=_http(8080, "/readyz"),
    )


def _cloud_signer(places: HubPlaces, secrets: HubSecrets) -> HubContainer:
    """Its keys lie in a token of its own, apart from its journals."""
    tls, authority = f"{SECRETS}/tls.pem", "/etc/edgedrop/authority.pem"
    return HubContainer(
        "cloud-signer",
        "hub",
        "cloud_signer",
        command=("python3", "-m", "node_image.hub.cloud_signer"),
        env=(
            *_bus_client(places),
            ("EDGEDROP_OWNER_PUBLIC_KEY_FILE", OWNER),
            ("EDGEDROP_TLS_FILE", tls),
            ("EDGEDROP_AUTHORITY_FILE", authority),
            ("EDGEDROP_KEYSTORE", f"pkcs11:?module={SOFTHSM}&token=cloud&pin-file={TOKENS}/pin"),
            ("SOFTHSM2_CONF", SOFTHSM_CONF),
        ),
        files=(
            _secret("bus", secrets.bus),
            _secret("tls.pem", secrets.cloud_tls),
            HubFile(authority, secrets.authority_pem),
            HubFile(OWNER, secrets.owner_public_pem),
        ),
        volumes=(HubVolume("cloud-signer", "/var/lib/edgedrop/cloud"), HubVolume("cloud-signer-tokens", TOKENS)),
        unprivileged=True,
        healthcheck=_http(8080, "/readyz"),
    )


def _bus_client(places: HubPlaces) -> tuple[tuple[str, str], ...]:
    return (("EDGEDROP_BUS_URL", BUS_URL.format(bus=places.bus)), ("EDGEDROP_BUS_SECRET_FILE", f"{SECRETS}/bus"))


def _relayer(places: HubPlaces, secrets: HubSecrets) -> HubContainer:
    rpc = ("EDGEDROP_CHAIN_URL", f"http://{places.chain}:8545")
    return HubContainer(
        "relayer",
        "hub",
        "relayer",
        command=("python3", "-m", "node_image.hub.relayer"),
        env=(*_database(places), rpc, ("EDGEDROP_RELAYER_KEY_FILE", f"{SECRETS}/relayer.key")),
        files=(_secret("db", secrets.db), _secret("relayer.key", secrets.relayer_key)),
        healthcheck=_http(8080, "/readyz"),
    )


def _anchorer(places: HubPlaces, secrets: HubSecrets, tsa: HubTsa) -> HubContainer:
    """A process of its own: the account whose roots the contract believes is not the one that pays for redemptions."""
    rpc = ("EDGEDROP_CHAIN_URL", f"http://{places.chain}:8545")
    ca = "/etc/edgedrop/tsa-ca.pem"
    stamped = (("EDGEDROP_TSA_URL", tsa.url), ("EDGEDROP_TSA_CA", ca)) if tsa.url else ()
    return HubContainer(
        "anchorer",
        "hub",
        "anchorer",
        command=("python3", "-m", "node_image.hub.anchorer"),
        env=(*_database(places), rpc, ("EDGEDROP_HUB_KEY_FILE", f"{SECRETS}/hub.key"), *stamped),
        files=(
            _secret("db", secrets.db),
            _secret("hub.key", secrets.hub_key),
            *((HubFile(ca, tsa.ca_pem),) if tsa.url else ()),
        ),
        healthcheck=_http(8080, "/readyz"),
    )


def _database(places: HubPlaces) -> tuple[tuple[str, str], ...]:
    return (("EDGEDROP_DATABASE_HOST", places.ledger_db), ("EDGEDROP_DB_SECRET_FILE", f"{SECRETS}/db"))


def _secret(name: str, content: str) -> HubFile:
    return HubFile(f"{SECRETS}/{name}", content, secret=True)


def _http(port: int, path: str) -> tuple[str, ...]:
    """By bash, which every image has: a Python for each look, every few seconds, cost a lab half a core."""
    ask = f"printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3 && read -t 2 -r line <&3 && [[ $line == *' 200 '* ]]"
    return ("CMD", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port} && {ask}")
