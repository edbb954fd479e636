# What a person sees of the set-up: a line a step with the time since the start, and on a fault what to do.

title() {
    case $1 in
        apt) echo "system packages" ;;
        engine) echo "docker engine" ;;
        venv) echo "python packages" ;;
        npm) echo "anvil and ethers" ;;
        nats) echo "nats-server" ;;
        pulumi) echo "pulumi" ;;
        language_python) echo "pulumi python host" ;;
        docker_plugin) echo "pulumi docker plugin" ;;
        contracts) echo "contract tools" ;;
        *) echo "$1" ;;
    esac
}

estimate() {
    case $1 in
        pulumi | docker_plugin) echo "building, up to 7 min on 2 cores" ;;
        nats | language_python) echo "building, up to 1 min" ;;
        *) echo "installing" ;;
    esac
}

hint() {
    case $1 in
        apt) echo "run '${SUDO:+$SUDO }apt-get update' and read the log; are the package sources reached?" ;;
        engine) echo "read the log; 'docker version' must answer as $(id -un) (a member of the group docker?)" ;;
        uv | venv) echo "is PyPI reached? is Python $PYTHON_VERSION installed, or may uv fetch it?" ;;
        npm | contracts) echo "is the npm registry reached? Node $NODE_MINIMUM or newer is needed" ;;
        *) echo "Go $GO_MINIMUM or newer must be on PATH and the Go module proxy reached; then run it again" ;;
    esac
}

say() { # mark, title, detail
    printf '[%5s s] %-4s %-22s %s\n' "$(elapsed)" "$1" "$2" "${3:-}"
}

elapsed() {
    local now=${EPOCHREALTIME/./} start
    STARTED=${STARTED:-$now}
    start=$((now - STARTED))
    printf '%d.%d' $((start / 1000000)) $((start / 100000 % 10))
}

fail() { # step, log, detail
    {
        echo "error: $(title "$1"): ${3:-the step failed}"
        echo "hint: $(hint "$1")"
        echo "log: $2, its end:"
        tail -n 15 "$2" | sed 's/^/  | /'
    } >&2
    exit 3
}

STARTED=${EPOCHREALTIME/./}
