#!/usr/bin/env bash
# Make .venv ready to run and test mdweights on Debian or Ubuntu. Called by every target of the Makefile.
#
# A second run with nothing changed does nothing and needs no network.
#   PYTHON=python3.12                 the interpreter to use (default: python3, else the newest of 3.11 - 3.13)
#   MDWEIGHTS_SYSTEM_PACKAGES=no      never call apt-get
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
stamp=$venv/mdweights-setup.stamp

say() { printf 'setup: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

# --- the interpreter -------------------------------------------------------------------------------------------------

is_suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        is_suitable "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13 that runs."
        command -v "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if is_suitable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "mdweights needs Python 3.11, 3.12 or 3.13 and none was found. Install one, or name it: make PYTHON=/path/to/python3.12 ..."
}

# --- what a finished set-up was made from ----------------------------------------------------------------------------

# Scripts in an environment hold its absolute path, so that a moved clone needs a new one.
describe_place() { printf '%s %s' "$PWD" "$("$1" -c 'import sys; print(sys.version)' | tr '\n' ' ')"; }

describe_content() { cat pyproject.toml packaging/constraints.txt packaging/setup.sh | sha256sum; }

# --- Debian packages -------------------------------------------------------------------------------------------------

if [ "$(id -u)" = 0 ]; then
    as_root=()
else
    as_root=(sudo -n)
fi

may_install() {
    [ "${MDWEIGHTS_SYSTEM_PACKAGES:-yes}" != no ] || return 1
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

apt_install() {
    say "installing Debian packages: $*"
    "${as_root[@]}" apt-get update -qq || say "apt-get update failed; trying with the package lists at hand"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}

# The Debian package that holds a shared library which Qt's own files ask for. These names are the same in every
# Debian since 12 and Ubuntu since 22.04; where a library was renamed since (t64), the old name still installs it.
package_of() {
    case $1 in
    libEGL.so.1) echo libegl1 ;;
    libGL.so.1) echo libgl1 ;;
    libX11.so.6) echo libx11-6 ;;
    libX11-xcb.so.1) echo libx11-xcb1 ;;
    libdbus-1.so.3) echo libdbus-1-3 ;;
    libfontconfig.so.1) echo libfontconfig1 ;;
    libfreetype.so.6) echo libfreetype6 ;;
    libglib-2.0.so.0 | libgthread-2.0.so.0) echo libglib2.0-0 ;;
    libxcb.so.1) echo libxcb1 ;;
    libxcb-cursor.so.0) echo libxcb-cursor0 ;;
    libxcb-glx.so.0) echo libxcb-glx0 ;;
    libxcb-icccm.so.4) echo libxcb-icccm4 ;;
    libxcb-image.so.0) echo libxcb-image0 ;;
    libxcb-keysyms.so.1) echo libxcb-keysyms1 ;;
    libxcb-randr.so.0) echo libxcb-randr0 ;;
    libxcb-render.so.0) echo libxcb-render0 ;;
    libxcb-render-util.so.0) echo libxcb-render-util0 ;;
    libxcb-shape.so.0) echo libxcb-shape0 ;;
    libxcb-shm.so.0) echo libxcb-shm0 ;;
    libxcb-sync.so.1) echo libxcb-sync1 ;;
    libxcb-util.so.1) echo libxcb-util1 ;;
    libxcb-xfixes.so.0) echo libxcb-xfixes0 ;;
    libxcb-xkb.so.1) echo libxcb-xkb1 ;;
    libxkbcommon.so.0) echo libxkbcommon0 ;;
    libxkbcommon-x11.so.0) echo libxkbcommon-x11-0 ;;
    *) say "Qt needs $1, which is not here; install the package that holds it" >&2 ;;
    esac
}

missing_libraries() {
    local qt
    qt=$("$venv/bin/python" -c 'import PySide6; print(PySide6.__path__[0])')
    ldd "$qt"/Qt{Gui,Widgets,OpenGLWidgets,Svg,Test}.abi3.so "$qt"/Qt/plugins/platforms/libqxcb.so \
        "$qt"/Qt/plugins/xcbglintegrations/*.so 2>/dev/null | awk '/not found/ { print $1 }' | sort -u
}

exists() { compgen -G "$1" >/dev/null; }

missing_packages() {
    local library
    for library in $(missing_libraries); do
        package_of "$library"
    done
    # A display for the tests, and for pictures of the window where there is none; xvfb-run asks for xauth.
    command -v Xvfb >/dev/null || echo xvfb
    command -v xauth >/dev/null || echo xauth
    # OpenGL without a graphics card.
    exists '/usr/lib/*/dri/swrast_dri.so' || exists '/usr/lib/*/libgallium-*.so' || echo libgl1-mesa-dri
    # Qt brings no font.
    exists '/usr/share/fonts/*' || exists "$HOME/.fonts/*" || echo fonts-dejavu-core
}

install_system_packages() {
    local packages
    mapfile -t packages < <(missing_packages | sort -u)
    [ ${#packages[@]} -gt 0 ] || return 0
    if may_install && apt_install "${packages[@]}"; then
        return 0
    fi
    say "the window needs system packages which could not be installed from here; on Debian or Ubuntu run"
    say "    sudo apt-get install --no-install-recommends ${packages[*]}"
    say "going on without them: computations and the command line work, windows and their tests may not"
}

# --- the environment -------------------------------------------------------------------------------------------------

make_environment() {
    local python=$1 version bootstrap
    rm -rf "$venv"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        if [[ $(command -v "$python") == /usr/bin/* ]] && may_install; then
            apt_install "python$version-venv" || true
        fi
    fi
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv "$venv"
        return
    fi
    "$python" -m pip --version >/dev/null 2>&1 ||
        fail "$python has neither venv nor pip. Install them: sudo apt-get install python3-venv"
    say "$python has no venv module; making the environment with virtualenv instead"
    bootstrap=$(mktemp -d)
    "$python" -m pip install --quiet --no-input --target "$bootstrap" virtualenv
    PYTHONPATH=$bootstrap "$python" -m virtualenv --quiet "$venv"
    rm -rf "$bootstrap"
}

# The environment's own interpreter is kept while it runs, unless another version was asked for.
is_usable() {
    is_suitable "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 || return 1
    [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" --version)" = "$("$venv/bin/python" --version)" ] || return 1
    [ ! -f "$stamp" ] || [ "$(head -n 1 "$stamp")" = "$(describe_place "$venv/bin/python")" ]
}

is_finished() {
    is_suitable "$venv/bin/python" || return 1
    [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" --version)" = "$("$venv/bin/python" --version)" ] || return 1
    [ "$(cat "$stamp" 2>/dev/null)" = "$(describe_place "$venv/bin/python")
$(describe_content)" ]
}

main() {
    local python
    ! is_finished || return 0
    if ! is_usable; then
        python=$(find_python)
        say "making $venv with $python"
        make_environment "$python"
    fi
    say "installing mdweights and what it needs into $venv (a few minutes the first time)"
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
        -c packaging/constraints.txt -e '.[dev]'
    install_system_packages
    { describe_place "$venv/bin/python" && echo && describe_content; } >"$stamp"
    say "ready"
}

main
