#!/bin/sh
# Fails on an include that points the wrong way:
#
#   base <- mail <- crypto <- keyring <- policy <- { milter, cli }, and crypto <- reader <- cli
#
# and on libmilter's header anywhere but in the adapter. `check_includes.sh [ROOT]` checks the sources below ROOT (the
# project by default), after proving on sources of its own that it finds what it looks for.
set -eu

# allowed_for LAYER: the layers whose headers its files may include
allowed_for() {
    case $1 in
    base) echo base ;;
    mail) echo base mail ;;
    crypto) echo base mail crypto ;;
    keyring) echo base mail crypto keyring ;;
    policy) echo base mail crypto keyring policy ;;
    reader) echo base mail crypto reader ;;
    milter) echo base mail crypto keyring policy milter ;;
    cli) echo base mail crypto keyring policy reader cli ;;
    esac
}

# check ROOT: prints each wrong include as FILE:LINE:TEXT; fails if there is one
check() (
    cd "$1"
    wrong=
    for layer in base mail crypto keyring policy reader milter cli; do
        [ -d "$layer" ] || continue
        pattern=$(allowed_for "$layer" | tr ' ' '|')
        found=$(grep -rnE --include='*.cpp' --include='*.hpp' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$layer" |
            grep -vE "^[^:]*:[0-9]+:[[:space:]]*#[[:space:]]*include[[:space:]]*\"($pattern)/[a-z0-9_]+\.hpp\"" || true)
        wrong=$wrong${found:+$found
}
        # Angle brackets are for other people's headers: ours in them would get past the check above.
        found=$(grep -rnE --include='*.cpp' --include='*.hpp' \
            '^[[:space:]]*#[[:space:]]*include[[:space:]]*<(base|mail|crypto|keyring|policy|reader|milter|cli)/' "$layer" || true)
        wrong=$wrong${found:+$found
}
        found=$(grep -rnE --include='*.cpp' --include='*.hpp' '#[[:space:]]*include.*mfapi\.h' "$layer" |
            grep -v '^milter/libmilter_adapter\.cpp:' || true)
        wrong=$wrong${found:+$found
}
    done
    [ -z "$wrong" ] || { printf '%s' "$wrong"; exit 1; }
)

# expect accepted|refused FILE LINE: what the check must say of one file with that line
expect() {
    mkdir -p "$scratch/$(dirname "$2")"
    printf '%s\n' "$3" > "$scratch/$2"
    if check "$scratch" > /dev/null; then said=accepted; else said=refused; fi
    rm "$scratch/$2"
    [ "$said" = "$1" ] || { echo "check_includes.sh is broken: $said in $2: $3" >&2; exit 2; }
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
expect accepted mail/header.cpp '#include "mail/header.hpp"'
expect accepted cli/run.cpp '#include "base/error.hpp"'
expect accepted milter/session.hpp '#include "policy/plan.hpp"'
expect accepted base/file.cpp '#include <string>'
expect accepted milter/libmilter_adapter.cpp '#include <libmilter/mfapi.h>'
expect accepted cli/read.cpp '#include "reader/open.hpp"'
expect refused reader/open.hpp '#include "keyring/entry.hpp"'
expect refused milter/session.cpp '#include "reader/open.hpp"'
expect refused base/file.cpp '#include "mail/header.hpp"'
expect refused mail/header.hpp '#include "crypto/seal.hpp"'
expect refused crypto/seal.cpp '  #  include "keyring/entry.hpp"'
expect refused keyring/entry.cpp '#include "policy/rule.hpp"'
expect refused policy/judge.cpp '#include "cli/command.hpp"'
expect refused milter/session.cpp '#include "cli/command.hpp"'
expect refused cli/run.cpp '#include "milter/session.hpp"'
expect refused mail/layer.cpp '#include <crypto/seal.hpp>'
expect refused mail/layer.cpp '#include "../crypto/seal.hpp"'
expect refused mail/layer.cpp '#include "layer.hpp"'
expect refused milter/session.hpp '#include <libmilter/mfapi.h>'
expect refused policy/judge.cpp '#include "libmilter/mfapi.h"'

root=${1:-$(dirname "$0")/..}
if ! check "$root"; then
    echo "these includes point the wrong way" >&2
    exit 1
fi
