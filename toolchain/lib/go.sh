# What is built from Go modules: nats-server, and Pulumi where the machine has none of its own.
#
# A tool lands in $CACHE/tools/<name>-<key>/, the key being a digest of all that goes into it, and $CACHE/bin links to it.

GO_MODULES=$ROOT/toolchain/go
PLUGIN_MODULE=$ROOT/toolchain/pulumi-docker-plugin
SDK_VERSION_FLAG="-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"

go_build() { # further arguments of go build; run in the module's folder
    need_go
    # -p 2: the linker and the AWS SDK take 4 GiB each with more at once.
    GOFLAGS=-trimpath GOTOOLCHAIN=${GOTOOLCHAIN:-auto} go build -p 2 "$@"
}

need_go() {
    if ! go_is_new_enough; then
        $SUDO apt-get update
        $SUDO env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends golang-go ||
            true
        hash -r
    fi
    go_is_new_enough || {
        echo "Go $GO_MINIMUM or newer is needed and this distribution has none: install one and put it on PATH"
        return 1
    }
}

go_is_new_enough() {
    local found
    found=$(go env GOVERSION 2>/dev/null) || return 1
    printf '%s\n' "$GO_MINIMUM" "${found#go}" | sort --check=quiet --version-sort
}

tool_key() { # modules' folders
    {
        echo "$PULUMI_VERSION $PULUMI_LANGUAGE_PYTHON_VERSION $PULUMI_DOCKER_VERSION"
        find "$@" -type f \( -name '*.go' -o -name 'go.*' \) -print0 | sort -z | xargs -0 cat
    } | sha256sum | cut -c -12
}

tool_folder() { # name, modules' folders
    local name=$1
    shift
    echo "$CACHE/tools/$name-$(tool_key "$@")"
}

tool_linked() { # folder, names
    local folder=$1 name
    shift
    for name in "$@"; do
        [[ -x $CACHE/bin/$name && $(readlink "$CACHE/bin/$name") == "$folder/$name" ]] || return 1
    done
}

build_tool() { # folder, name, module's folder, package, linker flags
    mkdir -p "$1"
    (cd "$3" && go_build -ldflags "-s -w ${5:-}" -o "$1/.$2.$$" "$4")
    mv "$1/.$2.$$" "$1/$2"
    link_tool "$2" "$1/$2"
}

nats_folder() { tool_folder nats-server "$GO_MODULES/nats-server"; }

nats_ready() {
    tool_linked "$(nats_folder)" nats-server && echo "$NATS_SERVER_VERSION"
}

nats_make() {
    build_tool "$(nats_folder)" nats-server "$GO_MODULES/nats-server" github.com/nats-io/nats-server/v2
}

# A Pulumi that the machine brought itself (not ours), of the pinned version or a later one of the same major.
own_pulumi() {
    local path found
    path=$(PATH=${PATH//"$CACHE/bin:"/} command -v pulumi) || return 1
    found=$("$path" version 2>/dev/null) || return 1
    found=${found#v}
    [[ ${found%%.*} == "${PULUMI_VERSION%%.*}" ]] &&
        printf '%s\n' "$PULUMI_VERSION" "$found" | sort --check=quiet --version-sort &&
        echo "$found, $path"
}

# One folder for both: Pulumi warns on every run about a language host that doesn't lie beside it.
pulumi_folder() { tool_folder pulumi "$GO_MODULES/pulumi" "$GO_MODULES/pulumi-language-python"; }

pulumi_ready() {
    own_pulumi || { tool_linked "$(pulumi_folder)" pulumi && echo "$PULUMI_VERSION"; }
}

pulumi_make() {
    build_tool "$(pulumi_folder)" pulumi "$GO_MODULES/pulumi" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi \
        "$SDK_VERSION_FLAG=v$PULUMI_VERSION"
}

# The SDK's scripts that run Python: a program, and a dynamic provider.
SDK_SCRIPTS=(pulumi-language-python-exec pulumi-resource-pulumi-python)

language_python_ready() {
    # The official CLI brings its own.
    if own_pulumi >/dev/null; then echo "comes with pulumi" && return; fi
    tool_linked "$(pulumi_folder)" pulumi-language-python "${SDK_SCRIPTS[@]}" && echo "$PULUMI_LANGUAGE_PYTHON_VERSION"
}

language_python_make() {
    local name=pulumi-language-python folder sdk script
    folder=$(pulumi_folder)
    build_tool "$folder" $name "$GO_MODULES/$name" github.com/pulumi/pulumi/sdk/v3/python/cmd/$name \
        "$SDK_VERSION_FLAG=v$PULUMI_LANGUAGE_PYTHON_VERSION"
    # The scripts come from the SDK's version, not the host's: they run its Python code.
    sdk=$(cd "$GO_MODULES/pulumi" && go mod download github.com/pulumi/pulumi/sdk/v3 &&
        go list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3)
    install -m 755 "$sdk/python/cmd/pulumi-language-python-exec" "$sdk/python/dist/pulumi-resource-pulumi-python" \
        "$folder"
    for script in "${SDK_SCRIPTS[@]}"; do link_tool "$script" "$folder/$script"; done
}

# An official plugin has no key file and is left as it is.
docker_plugin_ready() {
    local folder="$PULUMI_PLUGINS/resource-docker-v$PULUMI_DOCKER_VERSION"
    [[ -x $folder/pulumi-resource-docker ]] || return 1
    [[ ! -e $folder/edgedrop.key || $(cat "$folder/edgedrop.key") == "$(tool_key "$PLUGIN_MODULE")" ]] || return 1
    echo "$PULUMI_DOCKER_VERSION"
}

docker_plugin_make() {
    if own_pulumi >/dev/null && pulumi plugin install resource docker "$PULUMI_DOCKER_VERSION"; then return; fi
    local folder
    folder=$(tool_folder pulumi-resource-docker "$PLUGIN_MODULE")
    [[ -x $folder/pulumi-resource-docker ]] || build_plugin "$folder"
    pulumi plugin install resource docker "$PULUMI_DOCKER_VERSION" --file "$folder" --reinstall
}

build_plugin() { # folder
    local work="$1.$$" flags="-s -w -X $(head -1 "$PLUGIN_MODULE/go.mod" | cut -d ' ' -f 2).Version=$PULUMI_DOCKER_VERSION"
    mkdir -p "$work/out"
    # In a copy: the schema is embedded from the module's own folder, and the checkout stays as it is.
    cp -r "$PLUGIN_MODULE" "$work/module"
    cd "$work/module"
    go_build -ldflags "$flags" -o ./tfgen.bin ./cmd/tfgen
    ./tfgen.bin schema --skip-docs --skip-examples --out cmd/pulumi-resource-docker
    go_build -ldflags "$flags" -o "$work/out/" ./cmd/pulumi-resource-docker
    cd "$ROOT"
    tool_key "$PLUGIN_MODULE" >"$work/out/edgedrop.key"
    rm -rf "$1" && mv "$work/out" "$1" && rm -rf "$work"
}
