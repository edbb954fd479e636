# anvil and ethers for every machine; the Solidity tools for who changes a contract.

NODE_MODULES=$CACHE/npm/node_modules
# As for uv: Node has a store of its own.
export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}

npm_key() {
    cat "$ROOT"/toolchain/npm/package*.json | sha256sum | cut -c -64
}

npm_ready() {
    [[ $(cat "$CACHE/npm/key" 2>/dev/null) == "$(npm_key)" && -x $CACHE/bin/anvil ]] &&
        echo "anvil $ANVIL_VERSION, ethers $ETHERS_VERSION"
}

npm_make() { install_npm --omit=dev; }

contracts_ready() {
    npm_ready >/dev/null && [[ -d $NODE_MODULES/solc ]] &&
        echo "solc $SOLC_VERSION, OpenZeppelin $OPENZEPPELIN_VERSION, Solady $SOLADY_VERSION"
}

contracts_make() { install_npm; }

install_npm() { # further arguments of npm ci
    local work="$CACHE/tmp/npm.$$"
    rm -rf "$work" && mkdir -p "$work"
    cp "$ROOT"/toolchain/npm/package*.json "$work"
    npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund "$@"
    [[ -x $work/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil ]] || {
        echo "anvil has no build for this machine ($(uname -m)); x86-64 is needed"
        return 1
    }
    npm_key >"$work/key"
    rm -rf "$CACHE/npm.old"
    if [[ -e $CACHE/npm ]]; then mv "$CACHE/npm" "$CACHE/npm.old"; fi
    mv "$work" "$CACHE/npm"
    rm -rf "$CACHE/npm.old"
    link_tool anvil "$NODE_MODULES/@foundry-rs/anvil-linux-amd64/bin/anvil"
}
