#!/usr/bin/env bash
# Makes the certificates, bundles, lists and signed messages of this folder with OpenSSL. They are kept in the
# repository so that tests see the same bytes everywhere; run it again only to add one (all keys change then). Names
# say what is special about each. Nobody uses these keys.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export AUTHORITY=root

cat > ca.cnf <<'END'
[ca]
default_ca = none
[authority]
new_certs_dir = .
serial = $ENV::AUTHORITY.srl
crlnumber = $ENV::AUTHORITY.crlnumber
database = $ENV::AUTHORITY.db
certificate = $ENV::AUTHORITY.pem
private_key = $ENV::AUTHORITY.key
default_md = sha256
policy = any
unique_subject = no
email_in_dn = yes
copy_extensions = none
utf8 = yes
string_mask = utf8only
[any]
organizationName = optional
commonName = optional
emailAddress = optional
[req]
distinguished_name = any
utf8 = yes
string_mask = utf8only
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[not_for_mail]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
extendedKeyUsage = serverAuth
[no_authority]
basicConstraints = CA:FALSE
END

key() { # key FILE ALGORITHM
    case $2 in
    rsa*) openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa}" -out "$1" ;;
    dsa) openssl genpkey -quiet -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:2048 -out dsa.param
        openssl genpkey -quiet -paramfile dsa.param -out "$1" ;;
    ed25519 | x25519) openssl genpkey -quiet -algorithm "$2" -out "$1" ;;
    *) openssl genpkey -quiet -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$1" ;;
    esac
}
authority() { # authority NAME SUBJECT ISSUER|self SECTION [KEY]
    key "$1.key" "${5:-rsa2048}"
    touch "$1.db"
    echo 1000 > "$1.srl"
    echo 01 > "$1.crlnumber"
    openssl req -config ca.cnf -new -key "$1.key" -subj "$2" -out "$1.csr"
    local signs=(-selfsign -keyfile "$1.key")
    [ "$3" = self ] || signs=()
    local issuer=$3
    [ "$3" != self ] || issuer=$1
    AUTHORITY=$issuer openssl ca -config ca.cnf -name authority -batch -notext \
        "${signs[@]}" -in "$1.csr" -out "$1.pem" -extensions "$4" -startdate 20250101000000Z \
        -enddate "${ends:-20900101000000Z}" 2> log || { cat log; exit 1; }
    cp "$1.pem" "$here/$1.pem"
}
# certificate NAME ISSUER SUBJECT KEY EXTENSIONS: from 2026 to 2088 unless $begins and $ends say otherwise
certificate() {
    key "$1.key" "$4"
    if [ "$4" = x25519 ]; then # it cannot sign a request
        key any.key rsa2048
        openssl req -config ca.cnf -new -key any.key -subj "$3" -out "$1.csr"
        openssl pkey -in "$1.key" -pubout -out "$1.pub"
        printf '%b' "$5" > ext
        openssl x509 -req -in "$1.csr" -force_pubkey "$1.pub" -CA "$2.pem" -CAkey "$2.key" -days 20000 -extfile ext \
            -out "$1.pem" 2> log
    else
        openssl req -config ca.cnf -new -key "$1.key" -subj "$3" -out "$1.csr"
        printf '[leaf]\n%b' "$5" > ext
        AUTHORITY=$2 openssl ca -config ca.cnf -name authority -batch -notext -in "$1.csr" -out "$1.pem" -extfile ext \
            -extensions leaf -startdate "${begins:-20260101000000Z}" -enddate "${ends:-20880101000000Z}" \
            -md "${hash:-sha256}" 2> log || { cat log; exit 1; }
    fi
    cp "$1.pem" "$here/$1.pem"
}
of() { echo "subjectAltName = email:$1\n"; }
rsa='keyUsage = critical, keyEncipherment, digitalSignature\n'
ec='keyUsage = critical, keyAgreement\n'
mail='extendedKeyUsage = emailProtection\n'

authority root '/O=Example/CN=Example Root' self root
authority issuing '/O=Example/CN=Example Issuing CA' root root
authority stranger '/O=Stranger/CN=Stranger Root' self root
ends=20280101000000Z authority short '/O=Example/CN=Example Short CA' root root
authority servers '/O=Example/CN=Example Servers CA' root not_for_mail
authority pretender '/O=Example/CN=Example Pretender' root no_authority

certificate alice issuing '/O=Example/CN=Alice Müller' rsa2048 "$rsa$mail$(of alice@example.org)"
certificate rsa4096 issuing /CN=Four rsa4096 "$rsa$mail$(of four@example.org)"
certificate p256 issuing /CN=Carol prime256v1 "$ec$mail$(of carol@example.org)"
certificate p384 issuing /CN=Carol secp384r1 "$ec$mail$(of carol384@example.org)"
certificate p521 issuing /CN=Carol secp521r1 "$ec$mail$(of carol521@example.org)"
certificate p256-encipherment issuing /CN=Carol prime256v1 \
    "keyUsage = keyEncipherment\n$(of encipherment@example.org)"
certificate no-usage issuing /CN=Nobody rsa2048 "$(of plain@example.org)"
certificate any-usage issuing /CN=Any rsa2048 "extendedKeyUsage = clientAuth, anyExtendedKeyUsage\n$(of any@example.org)"
certificate two-addresses issuing /CN=Two rsa2048 \
    "${rsa}subjectAltName = email:two@example.org, email:Second@Example.ORG, DNS:example.org\n"
certificate utf8 issuing /CN=Grüße rsa2048 \
    "${rsa}subjectAltName = @names\n[names]\notherName = 1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:grüße@example.org\n"
begins=20200101000000Z ends=20210101000000Z certificate expired root /CN=Old rsa2048 "$rsa$(of old@example.org)"
begins=20800101000000Z certificate future root /CN=Later rsa2048 "$rsa$(of later@example.org)"
certificate short-chain short /CN=Short rsa2048 "$rsa$(of short@example.org)"
ends=99991231235959Z certificate endless root /CN=Endless rsa2048 "$rsa$(of endless@example.org)"

certificate sign-only issuing /CN=Signer rsa2048 "keyUsage = digitalSignature\n$(of signer@example.org)"
certificate p256-sign-only issuing /CN=Signer prime256v1 "keyUsage = digitalSignature\n$(of signer@example.org)"
certificate server issuing /CN=server.example.org rsa2048 "${rsa}extendedKeyUsage = serverAuth\n$(of s@example.org)"
certificate critical issuing /CN=Critical rsa2048 "${rsa}1.2.3.4 = critical, ASN1:NULL\n$(of c@example.org)"
certificate no-address issuing '/CN=Just A Name' rsa2048 "${rsa}subjectAltName = DNS:example.org\n"
certificate subject-address issuing '/CN=Subject/emailAddress=subject@example.org' rsa2048 "$rsa"
certificate unknown stranger /CN=Unknown rsa2048 "$rsa$(of unknown@example.org)"
certificate for-servers servers /CN=Wrong rsa2048 "$rsa$(of wrong@example.org)"
certificate by-pretender pretender /CN=Wrong rsa2048 "$rsa$(of wrong@example.org)"
certificate weak issuing /CN=Weak rsa1024 "$rsa$(of weak@example.org)"
hash=sha1 certificate sha1 issuing /CN=Sha rsa2048 "$rsa$(of sha@example.org)"
certificate ed25519 issuing /CN=Ed ed25519 "keyUsage = digitalSignature\n$(of ed@example.org)"
certificate x25519 issuing /CN=Ex x25519 "$ec$(of ex@example.org)"
certificate dsa issuing /CN=Dee dsa "keyUsage = digitalSignature\n$(of dsa@example.org)"
certificate secp256k1 issuing /CN=Coin secp256k1 "$ec$(of coin@example.org)"
key self.key rsa2048
openssl req -x509 -new -key self.key -subj /CN=Self -days 20000 -config ca.cnf -out "$here/self-signed.pem" \
    -addext basicConstraints=CA:FALSE -addext subjectAltName=email:self@example.org
certificate revoked issuing /CN=Gone rsa2048 "$rsa$(of gone@example.org)"
certificate held issuing /CN=Held rsa2048 "$rsa$(of held@example.org)"
certificate revoked-by-root root /CN=Gone rsa2048 "$rsa$(of gone2@example.org)"
authority withdrawn '/O=Example/CN=Example Withdrawn CA' root root
certificate under-withdrawn withdrawn /CN=Under rsa2048 "$rsa$(of under@example.org)"

# Bundles. RSA keys and certificates of Alice and her chain, each in every wrapping people have.
cat alice.pem issuing.pem root.pem > "$here/alice-chain.pem"
openssl x509 -in alice.pem -outform DER -out "$here/alice.der"
openssl crl2pkcs7 -nocrl -certfile alice.pem -certfile issuing.pem -certfile p256.pem -outform DER -out "$here/bundle.p7b"
openssl crl2pkcs7 -nocrl -certfile alice.pem -certfile issuing.pem -out "$here/bundle.pem"
cp alice.key "$here/alice.key"
openssl pkcs12 -export -in alice.pem -inkey alice.key -certfile issuing.pem -passout pass:secret -out "$here/locked.p12"
openssl pkcs12 -export -in alice.pem -inkey alice.key -certfile issuing.pem -passout pass: -out "$here/empty-passphrase.p12"
openssl pkcs12 -export -in alice.pem -inkey alice.key -certfile issuing.pem -certpbe NONE -passout pass:secret \
    -out "$here/open-certificates.p12"
openssl pkcs12 -export -nokeys -in alice.pem -certfile issuing.pem -certpbe NONE -nomac -passout pass: \
    -out "$here/no-passphrase.p12"

# Lists of revoked certificates.
crl() { # crl AUTHORITY FILE [OPTION]…
    AUTHORITY=$1 openssl ca -config ca.cnf -name authority -gencrl -crl_lastupdate 20260301000000Z \
        -crl_nextupdate "${next:-20880101000000Z}" "${@:3}" -out "$here/$2" 2> log || { cat log; exit 1; }
}
revoke() { AUTHORITY=$1 openssl ca -config ca.cnf -name authority -revoke "$2.pem" "${@:3}" 2> log || { cat log; exit 1; }; }
crl issuing empty.crl
revoke issuing revoked -crl_compromise 20260215120000Z
revoke issuing held -crl_hold holdInstructionReject
crl issuing issuing.crl
next=20260401000000Z crl issuing stale.crl
revoke root revoked-by-root
revoke root withdrawn
crl root root.crl
openssl crl -in "$here/root.crl" -outform DER -out "$here/root.der.crl"
cat "$here/issuing.crl" "$here/root.crl" > "$here/both.crl"
# Of the same name as the issuing authority, and signed by somebody else: it revokes Alice's serial number.
authority forger '/O=Example/CN=Example Issuing CA' self root
: > forger.db
echo 1000 > forger.srl
certificate forged forger /CN=Forged rsa2048 "$rsa"
revoke forger forged
crl forger forged.crl
rm "$here/forger.pem" "$here/forged.pem"

# Signed messages.
printf 'Content-Type: text/plain\r\n\r\nSigned text.\r\n' > entity
openssl cms -sign -in entity -binary -signer alice.pem -inkey alice.key -certfile issuing.pem -outform SMIME \
    -from 'Alice <alice@example.org>' -to admin@example.net -subject signed -out "$here/signed.eml"
openssl cms -sign -nodetach -in entity -binary -signer alice.pem -inkey alice.key -certfile issuing.pem -outform SMIME \
    -from 'Alice <alice@example.org>' -to admin@example.net -subject signed -out "$here/signed-opaque.eml"
sed 's/^Signed text/Other text/' "$here/signed.eml" > "$here/signed-changed.eml"
openssl cms -sign -in entity -binary -signer sign-only.pem -inkey sign-only.key -outform SMIME \
    -from signer@example.org -to admin@example.net -subject signed -out "$here/signed-by-signer.eml"
