#!/bin/bash
# Installs the Debian packages that Lockbox needs and this machine does not have yet; Debian 12 and 13.
# What is installed already is left as it is, and nothing is ever removed.
set -euo pipefail

usage() {
    cat <<'END'
Usage: contrib/dependencies.sh [--list|--missing] build|run|demo|test|develop...

  build    compiler and libraries to build lockbox and lockbox-milter
  run      what the built programs need; gpgsm beside it opens S/MIME with the keys that it has
  demo     build and run, and what contrib/demo.sh needs: Postfix, OpenSSL
  test     everything that tests/run.sh needs
  develop  test, and what the presets fuzz and bench and clang-tidy need

  --list     print the packages, install nothing
  --missing  print those that are not installed, install nothing

Installs as root, or through sudo. A Postfix or OpenDKIM that comes this way is not configured and not started.
END
}

die() {
    printf 'dependencies: error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'dependencies: hint: %s\n' "$2" >&2
    exit "${3:-69}" # EX_UNAVAILABLE
}

# A choice, written a|b, is one package under the names that different releases give it.
packages_of() {
    case $1 in
    build)
        echo cmake ninja-build g++ pkgconf
        echo libboost-program-options-dev libfmt-dev libgmime-3.0-dev libgpgme-dev libgumbo-dev libical-dev libicu-dev libidn2-dev libmilter-dev
        echo librnp-dev libsoci-dev libspdlog-dev libsqlite3-dev libssl-dev libunistring-dev nlohmann-json3-dev
        ;;
    run)
        echo gpg gpg-agent gpgconf
        echo 'libboost-program-options1.83.0|libboost-program-options1.74.0' 'libfmt10|libfmt9'
        echo 'libgmime-3.0-0t64|libgmime-3.0-0' 'libgpgme11t64|libgpgme11' 'libgumbo3|libgumbo1' 'libical3t64|libical3' 'libicu76|libicu72' libidn2-0 libmilter1.0.1 librnp0
        echo libsoci-core4.0 libsoci-sqlite3-4.0 'libspdlog1.15|libspdlog1.10' libsqlite3-0 'libssl3t64|libssl3'
        echo 'libunistring5|libunistring2'
        ;;
    demo)
        packages_of build
        packages_of run
        echo openssl postfix
        ;;
    test)
        packages_of demo
        echo catch2 ccache clang-format dirmngr git gpgsm less mandoc
        echo aerc less maildrop miltertest mutt neomutt notmuch opendkim procmail procps pyflakes3 python3 python3-dkim python3-pytest python3-pytest-xdist rnp shellcheck sq sqlite3 tmux
        # For the Sendmail that the tests unpack without installing it.
        echo 'libdb5.3t64|libdb5.3' 'libldap2|libldap-2.5-0' liblockfile1 libnsl2 libsasl2-2 libwrap0 m4
        ;;
    develop)
        packages_of test
        echo clang clang-tidy faketime libbenchmark-dev libclang-rt-dev
        ;;
    *)
        return 1
        ;;
    esac
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# A package by another name counts: pkg-config is pkgconf, an unversioned name may be provided. Of a name that others
# only mention, apt-cache shows nothing, and is content.
known_to_apt() {
    [ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null)" ]
}

missing_packages() { # packages…
    local package name names
    for package; do
        IFS='|' read -r -a names <<<"$package"
        for name in "${names[@]}"; do
            if installed "$name"; then
                continue 2
            fi
        done
        printf '%s\n' "$package"
    done
}

first_known() { # a|b
    local name names
    IFS='|' read -r -a names <<<"$1"
    for name in "${names[@]}"; do
        if known_to_apt "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
    die "no package ${1//|/ or } in the package lists" "Debian 12 and 13 have it; check /etc/apt"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -- "$@"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# Services that are installed only for tests and the demo stay off: policy-rc.d keeps the packages from starting them.
# An existing policy-rc.d is the administrator's.
policy=/usr/sbin/policy-rc.d
policy_is_ours=no

keep_services_off() {
    if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
        # shellcheck disable=SC2016  # $1 belongs to the file
        printf '%s\n' '#!/bin/sh' '# For the moment of an installation: contrib/dependencies.sh removes it.' \
            'case "$1" in postfix* | opendkim*) exit 101 ;; esac' 'exit 0' | as_root tee "$policy" >/dev/null
        policy_is_ours=yes
        trap allow_services EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        as_root chmod 755 "$policy"
    fi
}

# Without a main.cf the service does not start later either (ConditionPathExists).
leave_postfix_unconfigured() {
    if [ ! -e /etc/postfix/main.cf ]; then
        echo 'postfix postfix/main_mailer_type select No configuration' | as_root debconf-set-selections
    fi
}

allow_services() {
    if [ "$policy_is_ours" = yes ]; then
        as_root rm -f "$policy"
        policy_is_ours=no
    fi
}

action=install
sets=()
for argument; do
    case $argument in
    -h | --help)
        usage
        exit 0
        ;;
    --list) action=list ;;
    --missing) action=missing ;;
    build | run | demo | test | develop) sets+=("$argument") ;;
    *)
        usage >&2
        exit 64 # EX_USAGE
        ;;
    esac
done
if [ ${#sets[@]} -eq 0 ]; then
    usage >&2
    exit 64
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    die "this is not a Debian: dpkg-query or apt-get is not there" \
        "the libraries are listed in cmake/LockboxDependencies.cmake"
fi

read -r -a wanted <<<"$(for set in "${sets[@]}"; do packages_of "$set"; done | tr ' ' '\n' | LC_ALL=C sort -u | tr '\n' ' ')"
if [ "$action" = list ]; then
    printf '%s\n' "${wanted[@]}"
    exit 0
fi
mapfile -t missing < <(missing_packages "${wanted[@]}")
if [ "$action" = missing ]; then
    [ ${#missing[@]} -eq 0 ] || printf '%s\n' "${missing[@]}"
    exit 0
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

printf 'dependencies: missing: %s\n' "${missing[*]}" >&2
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    die "packages are missing, and this is neither root nor is there sudo" \
        "as root: apt-get install --no-install-recommends ${missing[*]//|/ or }" 77 # EX_NOPERM
fi

apt update
names=()
for package in "${missing[@]}"; do
    names+=("$(first_known "$package")")
done

# Another mail system would have to go for Postfix to come: that is not ours to decide.
removed=$(apt install --simulate --no-install-recommends "${names[@]}" | awk '$1 == "Remv" {print $2}')
if [ -n "$removed" ]; then
    die "installing ${names[*]} would remove ${removed//$'\n'/ }" \
        "use a machine or container without another mail system, for instance tests/fresh.sh"
fi
new=" ${names[*]} "
case $new in
*' postfix '* | *' opendkim '*) keep_services_off ;;
esac
case $new in
*' postfix '*) leave_postfix_unconfigured ;;
esac
apt install --yes --no-install-recommends "${names[@]}"
case $new in
*' opendkim '*) as_root /usr/sbin/update-rc.d opendkim disable ;; # nor at the next boot
esac
mapfile -t missing < <(missing_packages "${wanted[@]}")
[ ${#missing[@]} -eq 0 ] || die "still missing: ${missing[*]}"
