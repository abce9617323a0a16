#!/bin/bash
# Shows Lockbox at work: a message sent in clear travels and arrives sealed, and only its recipient can open it.
#
# Everything is private to this run: GnuPG homes, Postfix (configuration, queue, ports on loopback), milter, mailbox. It
# all lies in one temporary folder, and goes with it.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
bin=$here/build/release/bin

case ${1-} in
'') ;;
-h | --help)
    cat <<'END'
Usage: contrib/demo.sh

Installs what is missing, builds Lockbox, and sends a message through a private Postfix with the milter attached.
Needs root, or sudo. Nothing of it stays but the installed packages and the folder build/.
END
    exit 0
    ;;
*)
    echo "demo: error: unknown argument $1" >&2
    exit 64 # EX_USAGE
    ;;
esac

# ── build, as whoever called ──────────────────────────────────────────────────────────────────────────────────────────

if [ "${LOCKBOX_DEMO_STAGE-}" != run ]; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    quietly() { # what, command…
        printf '%s … ' "$1"
        local start=$SECONDS
        if ! "${@:2}" >"$log" 2>&1; then
            echo failed
            tail -n 60 "$log" >&2
            exit 1
        fi
        printf '%d s\n' $((SECONDS - start))
    }
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        echo "demo: error: this is neither root nor is there sudo: a private Postfix needs root" >&2
        exit 77 # EX_NOPERM
    fi
    missing=$("$here/contrib/dependencies.sh" --missing demo | wc -l)
    if [ "$missing" -gt 0 ]; then
        quietly "Installing $missing missing packages" "$here/contrib/dependencies.sh" demo
    fi
    cd "$here"
    quietly "Configuring" cmake --preset release
    quietly "Building" cmake --build --preset release
    rm -f "$log"
    trap - EXIT
    if [ "$(id -u)" -eq 0 ]; then
        exec env LOCKBOX_DEMO_STAGE=run "$here/contrib/demo.sh"
    fi
    exec sudo env LOCKBOX_DEMO_STAGE=run "$here/contrib/demo.sh"
fi

# ── run, as root ──────────────────────────────────────────────────────────────────────────────────────────────────────

# Debian keeps postfix(1) and its companions in /usr/sbin, which not every shell has in its PATH.
PATH=/usr/sbin:/sbin:$PATH
export LC_ALL=C.UTF-8
unset GNUPGHOME LOCKBOX_KEYRING MAIL_CONFIG
umask 022

base=$(mktemp -d /tmp/lockbox-demo.XXXXXX)
chmod 755 "$base"
milter=

stop_everything() {
    local status=$? home
    trap - EXIT
    set +e
    if [ -d "$base/postfix" ]; then
        postfix -c "$base/postfix" stop >/dev/null 2>&1
    fi
    if [ -n "$milter" ]; then
        kill "$milter" 2>/dev/null
        wait "$milter" 2>/dev/null
    fi
    for home in "$base"/alice "$base"/bob "$base"/eve; do
        [ ! -d "$home" ] || gpgconf --homedir "$home" --kill all >/dev/null 2>&1
    done
    if [ "$status" -ne 0 ]; then
        printf '\ndemo: error: it did not get to the end. What was logged:\n' >&2
        tail -n 20 "$base"/*.log >&2
    fi
    rm -rf "$base"
    if [ "$status" -eq 0 ]; then
        printf '\n%sDone.%s Everything is stopped and removed. Next: README.md, for your own Postfix.\n' "$bold" "$plain"
    fi
    exit "$status"
}
trap stop_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
else
    bold='' dim='' plain=''
fi
step=0
heading() {
    step=$((step + 1))
    printf '\n%s%d. %s%s\n\n' "$bold" "$step" "$1" "$plain"
}
say() { printf '   %s\n' "$@"; }
show() { sed "s/^/   ${dim}│${plain} /"; }
typed() { printf '   %s$ %s%s\n' "$bold" "$*" "$plain"; }

wait_until() { # what, command…: up to 20 seconds
    local tries=0
    until "${@:2}" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 400 ]; then
            echo "demo: error: waited in vain: $1" >&2
            exit 70
        fi
        sleep 0.05
    done
}

person() { # name: a GnuPG home with a new key
    mkdir -m 700 "$base/$1"
    printf '%s\n' allow-loopback-pinentry >"$base/$1/gpg-agent.conf"
    GNUPGHOME=$base/$1 gpg --batch --quiet --pinentry-mode loopback --passphrase '' \
        --quick-generate-key "${1^} Example <$1@$2>" future-default default 1d 2>>"$base/gpg.log"
}

heading "Two correspondents and a stranger"
person alice sender.example
person bob receiver.example
person eve elsewhere.example
say "Bob's certificate is what Alice's mail server gets to know. His secret key stays in his own GnuPG:"
GNUPGHOME=$base/bob gpg --batch --quiet --list-secret-keys --keyid-format none 2>/dev/null | sed '1,2d; /^$/d' | show
GNUPGHOME=$base/bob gpg --batch --armor --export bob@receiver.example >"$base/bob.asc"

heading "The administrator imports the certificate"
mkdir -m 750 "$base/keyring" "$base/socket"
chown nobody "$base/keyring" "$base/socket"
chgrp postfix "$base/socket"
export LOCKBOX_KEYRING=sqlite://$base/keyring/keyring.db
typed lockbox import bob.asc
"$bin/lockbox" import "$base/bob.asc" 2>&1 | sed "s#$base/##g" | show

heading "Postfix with the milter attached, and a mailbox behind STARTTLS"
cat >"$base/lockbox.conf" <<END
socket = unix:$base/socket/milter
socket-group = postfix
keyring = $LOCKBOX_KEYRING
user = nobody
log = stderr
rule = to=@receiver.example require
END
"$bin/lockbox-milter" --config "$base/lockbox.conf" --foreground 2>>"$base/milter.log" &
milter=$!
wait_until "the milter" test -S "$base/socket/milter"

# An address in 127.0.0.0/8 that nobody else uses, so that the port does not matter.
address=127.$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2))
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mx.receiver.example \
    -keyout "$base/tls.key" -out "$base/tls.crt" 2>>"$base/openssl.log"
mkdir "$base/postfix" "$base/queue" "$base/data" "$base/mail"
chown postfix "$base/data"
chown nobody "$base/mail"
cat >"$base/postfix/main.cf" <<END
compatibility_level = 3.6
config_directory = $base/postfix
queue_directory = $base/queue
data_directory = $base/data
maillog_file = $base/postfix.log
maillog_file_prefixes = $base
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.sender.example
myorigin = sender.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
smtp_host_lookup = native
disable_dns_lookups = yes
alias_maps =
alias_database =
local_recipient_maps =
biff = no

# What an administrator adds: contrib/postfix/README.md.
milter_default_action = tempfail
smtpd_milters = unix:$base/socket/milter
non_smtpd_milters = \$smtpd_milters
smtp_tls_security_level = encrypt
smtp_tls_loglevel = 1
relayhost = [$address]:2525
END
cat >"$base/postfix/master.cf" <<END
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd

# The receiving side: in real life another host, which has no milter and puts what comes into a mailbox. Here it is
# a port of the same Postfix; content_filter is what tells it to deliver instead of passing on.
$address:2525 inet n - n - - smtpd
  -o myhostname=mx.receiver.example
  -o smtpd_milters=
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_cert_file=$base/tls.crt
  -o smtpd_tls_key_file=$base/tls.key
  -o smtpd_tls_received_header=yes
  -o content_filter=virtual:
END
cat >>"$base/postfix/main.cf" <<END
virtual_mailbox_base = $base/mail
virtual_mailbox_maps = inline:{bob@receiver.example=bob/}
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
END
postfix -c "$base/postfix" start >>"$base/postfix-start.log" 2>&1
wait_until "Postfix" grep -q 'daemon started' "$base/postfix.log"
say "lockbox.conf says:" ""
grep '^rule' "$base/lockbox.conf" | show
say "" "and Postfix is told, in main.cf:" ""
sed -n 's#'"$base"'/##; /^milter_default/,/^smtp_tls_security/p' "$base/postfix/main.cf" | show

heading "An application sends a plain message with an attachment"
cat >"$base/message.eml" <<'END'
From: Alice Example <alice@sender.example>
To: Bob Example <bob@receiver.example>
Subject: The offer we talked about
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_part"

--=_part
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Dear Bob, we offer 4,200,000 €. Please keep it between us.

--=_part
Content-Type: text/csv; name="offer.csv"
Content-Disposition: attachment; filename="offer.csv"

item,price
workshop,3900000
garden,300000

--=_part--
END
typed "sendmail bob@receiver.example <message.eml"
show <"$base/message.eml"
"$(postconf -d -h command_directory)/sendmail" -C "$base/postfix" -i -f alice@sender.example bob@receiver.example <"$base/message.eml"
arrived() { compgen -G "$base/mail/bob/new/*"; }
wait_until "the message" arrived
cp "$(arrived)" "$base/received.eml"
if grep -q -e 'offer' -e '4,200,000' -e 'garden' "$base/received.eml"; then
    echo "demo: error: the message can be read in the mailbox" >&2
    exit 70
fi

heading "What happened to it on the way"
say "The milter sealed it (the inner box):" ""
grep -m 1 ': sealed' "$base/milter.log" | sed 's/^.*: info: //' | fold -s -w 110 | show
say "" "Postfix sent it through STARTTLS (the outer box; the demo's certificate is self-made, so \"untrusted\"):" ""
grep -m 1 'TLS connection established to' "$base/postfix.log" | sed 's/^[^]]*\]: //' | fold -s -w 110 | show
say "" "and the receiving host says so, ESMTPS:" ""
sed -n '/^Received: /,/ESMTPS/p; /ESMTPS/q' "$base/received.eml" | tr -d '\r' | sed 's/\t/    /' | show

heading "What travelled, and lies in Bob's mailbox"
say "The subject is hidden, the text and the attachment are one OpenPGP message:" ""
shortened() { # the armor's first lines, and how many more there are
    awk '/^-----BEGIN PGP/ { armor = NR }
         /^-----END PGP/ { printf "[%d more lines]\n", NR - armor - 5; armor = 0 }
         !armor || NR < armor + 5'
}
tr -d '\r' <"$base/received.eml" | sed -n '/^From: /,$p' | shortened | show

heading "Bob opens it"
typed "lockbox decrypt received.eml"
GNUPGHOME=$base/bob "$bin/lockbox" decrypt "$base/received.eml" 2>"$base/decrypt.log" >"$base/opened.eml"
tr -d '\r' <"$base/opened.eml" | sed -n '/^From: /,$p' | show
grep -q '4,200,000' "$base/opened.eml"
grep -q '^garden,300000' "$base/opened.eml"
grep -q '^Subject: The offer we talked about' "$base/opened.eml"

heading "Eve, who got hold of the mailbox, cannot"
typed "lockbox decrypt received.eml"
status=0
GNUPGHOME=$base/eve "$bin/lockbox" decrypt "$base/received.eml" >"$base/eve.eml" 2>"$base/eve.log" || status=$?
show <"$base/eve.log"
say "" "exit status $status: none of her secret keys opens it."
if [ "$status" -ne 77 ] || [ -s "$base/eve.eml" ]; then
    echo "demo: error: exit status 77 and no output was expected" >&2
    exit 70
fi
