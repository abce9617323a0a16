#!/bin/bash
# The two commands of README.md in a Debian that debootstrap has just made: contrib/demo.sh, then tests/run.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<'END'
Usage: tests/fresh.sh bookworm|trixie [--demo-only] [--as-user]

Makes a minimal Debian in a temporary folder, puts a clean copy of the last commit into it, runs the two commands
there, says how long each took, and removes it all. Packages come from the mirror that this machine is configured for.
Needs root, debootstrap and about 6 GB below ${TMPDIR:-/tmp}.

  --demo-only  contrib/demo.sh alone
  --as-user    run the commands as an ordinary user with sudo
END
}

die() {
    printf 'fresh: error: %s\n' "$1" >&2
    exit "${2:-70}"
}

release='' demo_only=no as_user=no
for argument; do
    case $argument in
    -h | --help)
        usage
        exit 0
        ;;
    bookworm | trixie) release=$argument ;;
    --demo-only) demo_only=yes ;;
    --as-user) as_user=yes ;;
    *)
        usage >&2
        exit 64
        ;;
    esac
done
if [ -z "$release" ]; then
    usage >&2
    exit 64
fi
[ "$(id -u)" -eq 0 ] || die "a chroot needs root" 77
command -v debootstrap >/dev/null || die "debootstrap is not installed" 69

# A mount namespace of its own: whatever is mounted goes with it, however this ends.
if [ "${LOCKBOX_FRESH_INSIDE-}" != yes ]; then
    LOCKBOX_FRESH_INSIDE=yes exec unshare --mount --propagation private -- "$0" "$@"
fi

# The first Debian archive that this machine is configured for, whatever its release.
mirror_of_this_machine() {
    {
        sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null
        sed -n 's/^deb[[:space:]]\+\(\[[^]]*\][[:space:]]\+\)\?\([^[:space:]]*\).*/\2/p' /etc/apt/sources.list \
            /etc/apt/sources.list.d/*.list 2>/dev/null || true
    } | grep -m 1 '/debian/\?$'
}
mirror=$(mirror_of_this_machine) || die "no Debian archive in /etc/apt" 69

root=$(mktemp -d "${TMPDIR:-/tmp}/lockbox-fresh.XXXXXX")
finish() {
    local status=$?
    trap - EXIT
    # Whatever still runs in there.
    local process
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/root" 2>/dev/null)" = "$root/system" ]; then
            kill -9 "${process#/proc/}" 2>/dev/null || true
        fi
    done
    umount --recursive --lazy "$root/system/dev" "$root/system/proc" "$root/system/sys" 2>/dev/null || true
    rm -rf --one-file-system "$root"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

timed() { # what, command…
    local began=$SECONDS status=0
    printf '── %s\n' "$1"
    "${@:2}" || status=$?
    printf '── %s: %d min %d s, exit status %d\n' "$1" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)) "$status"
    return "$status"
}

make_system() {
    local packages=ca-certificates
    [ "$as_user" = no ] || packages+=,sudo
    debootstrap --variant=minbase --include="$packages" "$release" "$root/system" "$mirror" >"$root/debootstrap.log" 2>&1 || {
        tail -n 30 "$root/debootstrap.log"
        return 1
    }
}
timed "debootstrap $release" make_system

system=$root/system
mount -t proc proc "$system/proc"
mount --rbind /dev "$system/dev"
mount --rbind /sys "$system/sys"
cp /etc/resolv.conf "$system/etc/resolv.conf"
cp /etc/hosts "$system/etc/hosts"
# As in every container: packages start no services.
printf '%s\n' '#!/bin/sh' 'exit 101' >"$system/usr/sbin/policy-rc.d"
chmod 755 "$system/usr/sbin/policy-rc.d"

home=/root
if [ "$as_user" = yes ]; then
    chroot "$system" useradd --create-home --shell /bin/bash tester
    echo 'tester ALL=(ALL) NOPASSWD: ALL' >"$system/etc/sudoers.d/tester"
    home=/home/tester
fi
mkdir "$system$home/lockbox"
git -c safe.directory="$here" -C "$here" archive HEAD | tar -x -C "$system$home/lockbox"
[ "$as_user" = no ] || chroot "$system" chown -R tester:tester "$home/lockbox"

inside() { # command, from the folder of the clone
    local command=(/bin/bash -c "cd $home/lockbox && $1")
    if [ "$as_user" = yes ]; then
        command=(su tester --command "cd $home/lockbox && $1")
    fi
    chroot "$system" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" \
        TERM=dumb "${command[@]}"
}

status=0
timed "contrib/demo.sh on $release" inside contrib/demo.sh || status=1
if [ "$demo_only" = no ]; then
    timed "tests/run.sh on $release" inside tests/run.sh || status=1
fi
if [ "$status" -eq 0 ]; then
    echo "fresh: $release: everything worked"
else
    echo "fresh: $release: FAILED"
fi
exit "$status"
