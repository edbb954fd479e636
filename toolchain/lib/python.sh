# uv, and the checkout's virtual environment from the hashed lock.

VENV=$ROOT/.venv
# A site's own certificate authority stands in the system's store, not in uv's.
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}

uv_ready() {
    [[ $(uv --version 2>/dev/null) == "uv $UV_VERSION "* && $(command -v uv) == "$CACHE/bin/uv" ]] &&
        echo "$UV_VERSION"
}

uv_make() {
    local place="$CACHE/tools/uv-$UV_VERSION"
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install --disable-pip-version-check "uv==$UV_VERSION"
    link_tool uv "$place/bin/uv"
}

venv_key() {
    cat "$ROOT/requirements.lock" <(console_script; declare -f compile_packages) | sha256sum | cut -c -64
}

venv_ready() {
    [[ -x $VENV/bin/python && $(cat "$VENV/.edgedrop-key" 2>/dev/null) == "$(venv_key)" ]] &&
        "$VENV/bin/python" --version
}

venv_make() {
    if [[ $("$VENV/bin/python" --version 2>/dev/null) != "Python $PYTHON_VERSION."* ]]; then
        uv venv --clear --python "$(installed_python || echo "$PYTHON_VERSION")" "$VENV"
    fi
    VIRTUAL_ENV=$VENV uv pip sync --require-hashes "$ROOT/requirements.lock"
    compile_packages
    # The checkout itself, without a build backend (which no lock would pin): a path file and the command.
    echo "$ROOT" >"$VENV/lib/python$PYTHON_VERSION/site-packages/edgedrop.pth"
    console_script >"$VENV/bin/edgedrop"
    chmod 755 "$VENV/bin/edgedrop"
    venv_key >"$VENV/.edgedrop-key"
}

# Where Python is told to write no bytecode (as in many containers), every command would compile what it imports again:
# 3 s of the 4.4 s that Pulumi's program took to load. Collections are sent to boxes as text, and nobody runs packages' tests.
compile_packages() {
    "$VENV/bin/python" -m compileall -q -j 0 -x '/(ansible_collections|tests?)/' \
        "$VENV/lib/python$PYTHON_VERSION/site-packages"
}

# uv knows its own Pythons and those on PATH; of pyenv it sees only shims, which fail unless the version is chosen.
installed_python() {
    local candidate
    for candidate in "$(command -v "python$PYTHON_VERSION")" \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$PYTHON_VERSION".*/bin/"python$PYTHON_VERSION"; do
        if [[ $("$candidate" --version 2>/dev/null) == "Python $PYTHON_VERSION."* ]]; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

console_script() {
    cat <<END
#!$VENV/bin/python
import sys

from infra.ops.__main__ import main

sys.exit(main())
END
}

link_tool() { # name, file: the link changes in one step, so that a reader never finds it missing
    ln -s "$2" "$CACHE/bin/.$1.$$"
    mv -T "$CACHE/bin/.$1.$$" "$CACHE/bin/$1"
}
