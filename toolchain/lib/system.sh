# System packages and the Docker engine.

apt_missing() {
    local pair
    for pair in $APT_COMMANDS; do
        command -v "${pair%%=*}" >/dev/null || echo "${pair#*=}"
    done
    for pair in $APT_FILES; do
        [[ -e ${pair%%=*} ]] || echo "${pair#*=}"
    done
    # Debian keeps what `python3 -m venv` needs in a package of its own.
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
    # Where the kernel enforces AppArmor, an engine without the parser starts no container.
    [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) != Y ]] ||
        command -v apparmor_parser >/dev/null || [[ -x /usr/sbin/apparmor_parser ]] || echo apparmor
}

apt_ready() {
    local missing
    missing=$(apt_missing | sort -u | tr '\n' ' ')
    [[ -z $missing ]] || { echo "apt-get install $missing" && return 1; }
}

apt_make() {
    $SUDO apt-get update
    local names=() choice
    for choice in $(apt_missing | sort -u); do names+=("$(first_known "$choice")"); done
    $SUDO env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${names[@]}"
}

first_known() { # name|name
    local name
    for name in ${1//|/ }; do
        if apt-cache show "$name" >/dev/null 2>&1; then echo "$name" && return; fi
    done
    echo "no package found for $1" >&2
    return 1
}

engine_ready() {
    local version
    if version=$(timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null) && [[ -n $version ]]; then
        echo "$version"
    else
        echo "no engine answers: run toolchain/setup"
        return 1
    fi
}

engine_make() {
    if [[ -d /run/systemd/system ]]; then
        $SUDO systemctl enable --now docker
    else
        start_by_hand
    fi
    local try
    for try in {1..120}; do
        if docker version >/dev/null 2>&1; then return; fi
        sleep 0.5
    done
    docker version
}

# Where no init system runs. The pid file is dockerd's own: /var/run/docker.pid.
start_by_hand() {
    drop_stale /var/run/docker.pid dockerd
    drop_stale /var/run/docker/containerd/containerd.pid containerd
    mount_cgroups
    $SUDO sh -c "setsid dockerd >>'$CACHE/log/dockerd.log' 2>&1 </dev/null &"
}

drop_stale() { # pid file, the name its process must have: a number may be someone else's after a reboot
    local pid name
    [[ -e $1 ]] || return 0
    pid=$(cat "$1")
    name=$(cat "/proc/$pid/comm" 2>/dev/null || true)
    [[ $name == "$2" ]] || $SUDO rm -f "$1"
}

mount_cgroups() { # an init system would have done it
    [[ -z $(ls -A /sys/fs/cgroup) ]] || return 0
    $SUDO env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends cgroupfs-mount || true
    if command -v cgroupfs-mount >/dev/null; then
        $SUDO cgroupfs-mount
    else
        $SUDO mount -t cgroup2 cgroup2 /sys/fs/cgroup
    fi
}
