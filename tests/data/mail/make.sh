#!/bin/sh
# Makes the files of this folder anew with GnuPG and OpenSSL. Keys and session keys are fresh each time; the tests
# depend on structure and on the texts below only.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
GNUPGHOME=$work/home
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$work"' EXIT
mkdir -m 700 "$GNUPGHOME"
cd "$work"

gpg() { command gpg --batch --quiet --yes --no-emit-version --trust-model always --pinentry-mode loopback --passphrase '' "$@"; }

gpg --quick-generate-key 'Alice <alice@example.org>' ed25519 sign never
alice=$(gpg --list-keys --with-colons alice@example.org | awk -F: '/^fpr/ { print $10; exit }')
gpg --quick-add-key "$alice" cv25519 encr never
gpg --quick-generate-key 'Bob <bob@example.org>' rsa2048 sign never
bob=$(gpg --list-keys --with-colons bob@example.org | awk -F: '/^fpr/ { print $10; exit }')
gpg --quick-add-key "$bob" rsa2048 encr never

printf 'Attack at dawn.\r\n' > text
head -c 20000 /dev/zero > zeros

gpg --armor --recipient "$alice" --hidden-recipient "$bob" --encrypt < text > "$here/two-recipients.asc"
# What the tests expect to find in it: Alice's encryption subkey, then the hidden recipient.
gpg --list-keys --with-colons alice@example.org | awk -F: '/^sub/ { print $5; exit }' > "$here/two-recipients.keyid"
gpg --recipient "$alice" --compress-algo none --encrypt < zeros > "$here/partial-lengths.gpg"
gpg --armor --passphrase secret --symmetric < text > "$here/passphrase.asc"
gpg --armor --local-user "$alice" --sign < text > "$here/signed-only.asc"
gpg --armor --local-user "$alice" --clear-sign < text > "$here/clear-signed.asc"
gpg --armor --local-user "$alice" --detach-sign < text > "$here/detached-signature.asc"
gpg --armor --store < text > "$here/literal-only.asc"
gpg --export > "$here/two-certificates.gpg"
gpg --armor --export "$alice" > "$here/alice.asc"
gpg --export-secret-keys "$bob" > "$here/bob-secret.gpg"
gpg --enarmor < zeros > "$here/zeros.asc"
# GnuPG adds a comment of its own to --enarmor; what is compared is what comes out of it again.
printf 'f' > one-octet
gpg --enarmor < one-octet > "$here/one-octet.asc"

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=test -days 3650 2> /dev/null
cat > entity <<'END'
From: Alice <alice@example.org>
Subject: The signed subject
Content-Type: text/plain; hp="clear"

Signed text.
END
openssl cms -encrypt -aes-256-cbc -in text -binary -outform DER -out "$here/enveloped.der" cert.pem
openssl cms -encrypt -aes-256-cbc -stream -in zeros -binary -outform DER -out "$here/enveloped-streamed.ber" cert.pem
openssl cms -encrypt -aes-256-gcm -in text -binary -outform DER -out "$here/auth-enveloped.der" cert.pem
openssl cms -sign -nodetach -crlfeol -in entity -signer cert.pem -inkey key.pem -outform DER -out "$here/signed.der"
openssl cms -sign -nodetach -stream -crlfeol -in entity -signer cert.pem -inkey key.pem -outform DER -out "$here/signed-streamed.ber"
openssl cms -data_create -in text -binary -outform DER -out "$here/data.der"
