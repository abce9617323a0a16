#!/usr/bin/env bash
# Makes the certificates of this folder with GnuPG. They are kept in the repository so that tests see the same bytes
# everywhere; run it again only to add one (all keys change then). Names say what is special about each.
set -euo pipefail
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT

gpg_at() { # gpg_at TIME ARGUMENT…
    local time=$1
    shift
    gpg --batch --quiet --faked-system-time "$time!" --pinentry-mode loopback --passphrase '' "$@"
}
fingerprint_of() { gpg --batch --with-colons --list-keys "$1" | awk -F: '/^fpr/ {print $10; exit}'; }
subkey_of() { gpg --batch --with-colons --list-keys "$1" | awk -F: '/^sub/ {s=1} s && /^fpr/ {print $10; exit}'; }
export_as() { gpg_at 20260601T000000 --armor --export "$2" > "$1.asc"; }

made=20260101T000000
make_key() { # make_key FILE USER-ID ALGORITHM ENCRYPTION-ALGORITHM EXPIRY [TIME]
    local time=${6:-$made}
    gpg_at "$time" --quick-generate-key "$2" "$3" sign,cert "$5"
    [ -z "$4" ] || gpg_at "$time" --quick-add-key "$(fingerprint_of "=$2")" "$4" encr "$5"
    export_as "$1" "=$2"
}

make_key alice 'Alice Example <alice@example.org>' ed25519 cv25519 never
gpg_at $made --armor --export-secret-keys '=Alice Example <alice@example.org>' > alice.secret.asc
make_key bob 'Bob Example <bob@example.org>' rsa2048 rsa2048 never
gpg_at $made --armor --export-secret-keys '=Bob Example <bob@example.org>' > bob.secret.asc
make_key p256 'Carol <carol@example.org>' nistp256 nistp256 never
make_key p521 'Carol Five <carol521@example.org>' nistp521 nistp521 never
make_key brainpool 'Dora <dora@example.org>' brainpoolP256r1 brainpoolP256r1 never
make_key elgamal 'Elga <elga@example.org>' dsa2048 elg2048 never
make_key expired 'Old <old@example.org>' ed25519 cv25519 20210101T000000 20200101T000000
make_key expiring 'Later <later@example.org>' ed25519 cv25519 20900101T000000
make_key sign-only 'Signer <signer@example.org>' ed25519 '' never
make_key weak 'Weak <weak@example.org>' rsa1024 rsa1024 never
make_key no-address 'Just A Name' ed25519 cv25519 never
make_key misleading '"bob@example.org" <evil@example.net>' ed25519 cv25519 never

# A subkey that expired while its primary key did not.
make_key subkey-expired 'Sub <sub@example.org>' ed25519 '' never 20200101T000000
gpg_at 20200101T000000 --quick-add-key "$(fingerprint_of sub@example.org)" cv25519 encr 20210101T000000
export_as subkey-expired sub@example.org

# Two encryption subkeys, made a month apart.
make_key two-subkeys 'Two <two@example.org>' ed25519 cv25519 never
gpg_at 20260201T000000 --quick-add-key "$(fingerprint_of two@example.org)" cv25519 encr never
export_as two-subkeys two@example.org

# Two addresses, one of them revoked later.
make_key revoked-user-id 'Moved <new@example.org>' ed25519 cv25519 never
gpg_at $made --quick-add-uid "$(fingerprint_of new@example.org)" 'Moved <gone@example.org>'
gpg_at 20260201T000000 --quick-revoke-uid "$(fingerprint_of new@example.org)" 'Moved <gone@example.org>'
export_as revoked-user-id new@example.org

# Before and after its owner revoked it.
make_key before-revocation 'Rev <rev@example.org>' ed25519 cv25519 never
revocation=$GNUPGHOME/openpgp-revocs.d/$(fingerprint_of rev@example.org).rev
sed -i 's/^:-----BEGIN/-----BEGIN/' "$revocation"
gpg --batch --quiet --import "$revocation"
export_as revoked rev@example.org

# Before and after its owner put the expiry off.
make_key renewal-before 'Renew <renew@example.org>' ed25519 cv25519 20260301T000000
renewed=$(fingerprint_of renew@example.org)
gpg_at 20260201T000000 --quick-set-expire "$renewed" 20910101T000000
gpg_at 20260201T000000 --quick-set-expire "$renewed" 20910101T000000 '*'
export_as renewal-after renew@example.org

# Self-signatures with SHA-1, from when that was usual.
gpg_at 20150101T000000 --cert-digest-algo SHA1 --quick-generate-key 'Sha <sha1@example.org>' rsa2048 sign,cert never
gpg_at 20150101T000000 --cert-digest-algo SHA1 --digest-algo SHA1 --quick-add-key "$(fingerprint_of sha1@example.org)" rsa2048 encr never
export_as sha1 sha1@example.org
