#!/usr/bin/env bash
# Makes the chains, keys and lists of this folder with OpenSSL: one fault in each. They are kept in the repository so
# that tests see the same bytes everywhere; run it again only to add one (all keys change then). Nobody uses these keys.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > ca.cnf <<'END'
[authority]
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
serial = $ENV::ISSUER.srl
crlnumber = $ENV::ISSUER.crlnumber
database = $ENV::ISSUER.db
utf8 = yes
string_mask = $ENV::MASK
preserve = yes
[any]
organizationName = optional
commonName = optional
[req]
distinguished_name = any
utf8 = yes
string_mask = $ENV::MASK
END
export MASK=utf8only ISSUER=root

key() { # key FILE KIND
    case $2 in
    rsa-pss:*) openssl genpkey -quiet -algorithm RSA-PSS -pkeyopt "rsa_keygen_bits:${2#*:}" \
        -pkeyopt rsa_pss_keygen_md:sha256 -pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32 -out "$1" ;;
    rsa:*) openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#*:}" -out "$1" ;;
    dsa:*) openssl genpkey -quiet -genparam -algorithm DSA -pkeyopt "dsa_paramgen_bits:${2#*:}" \
        -pkeyopt dsa_paramgen_q_bits:"$([ "${2#*:}" = 1024 ] && echo 160 || echo 256)" -out dsa.param
        openssl genpkey -quiet -paramfile dsa.param -out "$1" ;;
    *) openssl genpkey -quiet -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -pkeyopt ec_param_enc:named_curve -out "$1" ;;
    esac
}
# issue NAME SUBJECT ISSUER|self KEY EXTENSIONS: from 2025 to 2090 unless $begins and $ends say otherwise; signed with
# $hash
issue() {
    [ -e "$1.key" ] || key "$1.key" "$4"
    if [ ! -e "$1.db" ]; then
        : > "$1.db"
        echo 01 > "$1.crlnumber"
    fi
    openssl req -config ca.cnf -new -key "$1.key" -subj "$2" -out "$1.csr" 2> log || { cat log; exit 1; }
    printf '[ext]\n%b' "$5" > ext
    local issuer=$3 signs=(-cert "$3.pem" -keyfile "$3.key")
    if [ "$3" = self ]; then
        issuer=$1 signs=(-selfsign -keyfile "$1.key")
    fi
    ISSUER=$issuer openssl ca -config ca.cnf -name authority -batch -notext "${signs[@]}" -in "$1.csr" -out "$1.pem" \
        -extfile ext -extensions ext -startdate "${begins:-20250101000000Z}" -enddate "${ends:-20900101000000Z}" \
        -md "${hash:-sha256}" 2> log || { cat log; exit 1; }
}
ca='basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n'
leaf='basicConstraints = CA:FALSE\nkeyUsage = critical, digitalSignature, keyEncipherment\nextendedKeyUsage = emailProtection\n'
bob="${leaf}subjectAltName = email:bob@example.org\n"

# chain NAME: Bob's certificate, what is above it, and a message that Bob signs.
printf 'Content-Type: text/plain\r\n\r\nSigned text.\r\n' > "$here/entity"
chain() { # chain NAME LEAF [ISSUER]…
    local name=$1 bob=$2 above=()
    shift 2
    for each; do above+=("$each.pem"); done
    cat "$bob.pem" "${above[@]}" > "$here/$name.pem"
    local others=()
    if [ ${#above[@]} -gt 0 ]; then
        cat "${above[@]}" > others
        others=(-certfile others)
    fi
    openssl cms -sign -binary -in "$here/entity" -signer "$bob.pem" -inkey "$bob.key" "${others[@]}" \
        -outform DER -out "$here/$name.p7s"
}

issue root '/O=Example/CN=Root' self rsa:2048 "$ca"
cp root.pem "$here/root.pem"
issue other-root '/O=Other/CN=Other Root' self rsa:2048 "$ca"

# One issuing authority of each kind, and Bob below it.
below() { # below NAME KEY EXTENSIONS
    local name=$1
    issue "$name-ca" "/O=Example/CN=Issuer $name" root "$2" "$3"
    begins='' ends='' hash='' issue "$name" /CN=Bob "$name-ca" rsa:2048 "$bob"
    chain "$name" "$name" "$name-ca"
}
below good rsa:2048 "$ca"
below good-pss rsa-pss:2048 "$ca"
below good-ec prime256v1 "$ca"
below good-dsa dsa:2048 "$ca"
below good-brainpool brainpoolP256r1 "$ca"
below weak-rsa-issuer rsa:1024 "$ca"
below weak-ec-issuer prime192v1 "$ca"
below weak-pss-issuer rsa-pss:1024 "$ca"
below weak-dsa-issuer dsa:1024 "$ca"
hash=sha1 below weak-signature-on-issuer rsa:2048 "$ca"
below no-authority rsa:2048 'basicConstraints = critical, CA:FALSE\n'
below no-basic-constraints rsa:2048 'keyUsage = critical, keyCertSign, cRLSign\n'
below no-cert-sign rsa:2048 'basicConstraints = critical, CA:TRUE\nkeyUsage = critical, digitalSignature\n'
below issuer-not-for-mail rsa:2048 "${ca}extendedKeyUsage = serverAuth\n"
below issuer-critical-extension rsa:2048 "${ca}1.2.3.4 = critical, ASN1:NULL\n"
below name-constraints rsa:2048 "${ca}nameConstraints = critical, permitted;email:example.net\n"
begins=20200101000000Z ends=20250701000000Z below expired-issuer rsa:2048 "$ca"
begins=20800101000000Z below future-issuer rsa:2048 "$ca"

hash=sha1 issue weak-signature /CN=Bob good-ca rsa:2048 "$bob"
chain weak-signature weak-signature good-ca
issue critical-extension /CN=Bob good-ca rsa:2048 "${bob}1.2.3.4 = critical, ASN1:NULL\n"
chain critical-extension critical-extension good-ca
issue not-for-mail /CN=Bob good-ca rsa:2048 'subjectAltName = email:bob@example.org\nextendedKeyUsage = serverAuth\n'
chain not-for-mail not-for-mail good-ca
ends=20250701000000Z issue expired /CN=Bob good-ca rsa:2048 "$bob"
chain expired expired good-ca
issue unknown /CN=Bob other-root rsa:2048 "$bob"
chain unknown unknown
chain unknown-root unknown other-root
issue self-signed /CN=Bob self rsa:2048 "$bob"
chain self-signed self-signed
chain missing-issuer good
issue weak-signer /CN=Bob good-ca prime192v1 "${bob/, keyEncipherment/}"
chain weak-signer weak-signer good-ca
# Signed by somebody else in the issuer's name.
issue impostor-ca '/O=Example/CN=Issuer good' other-root rsa:2048 "$ca"
issue wrong-signature /CN=Bob impostor-ca rsa:2048 "${bob}authorityKeyIdentifier = none\n"
chain wrong-signature wrong-signature good-ca
# Two authorities below one that may have none below it.
issue short-ca '/O=Example/CN=Issuer short' root rsa:2048 'basicConstraints = critical, CA:TRUE, pathlen:0\nkeyUsage = critical, keyCertSign\n'
issue long-ca '/O=Example/CN=Issuer long' short-ca rsa:2048 "$ca"
issue path-length /CN=Bob long-ca rsa:2048 "$bob"
chain path-length path-length long-ca short-ca

# Lists of revoked certificates.
crl() { # crl FILE AUTHORITY [OPTION]…: $by signs in its name
    ISSUER=$2 openssl ca -config ca.cnf -name authority -gencrl -cert "${by:-$2}.pem" -keyfile "${by:-$2}.key" \
        -crl_lastupdate 20260301000000Z -crl_nextupdate 20880101000000Z "${@:3}" -out "$here/$1" 2> log ||
        { cat log; exit 1; }
}
revoke() { # revoke AUTHORITY CERTIFICATE [OPTION]…
    ISSUER=$1 openssl ca -config ca.cnf -name authority -cert "$1.pem" -keyfile "$1.key" -revoke "$2.pem" "${@:3}" 2> log ||
        { cat log; exit 1; }
}
cat >> ca.cnf <<'END'
[unknown_extension]
1.2.3.4 = critical, ASN1:NULL
[some_reasons]
issuingDistributionPoint = critical, @some
[some]
onlysomereasons = keyCompromise
[indirect]
issuingDistributionPoint = critical, @indirectly
[indirectly]
indirectCRL = TRUE
[shard]
issuingDistributionPoint = critical, @one_of_many
[one_of_many]
fullname = URI:http://example.org/1.crl
[users]
issuingDistributionPoint = critical, @only_users
[only_users]
onlyuser = TRUE
END
# Nobody is revoked yet: what such a list does not say is not known.
crl good-empty.crl good-ca
for kind in unknown_extension some_reasons indirect shard users; do crl "good-${kind//_/-}.crl" good-ca -crlexts "$kind"; done
by=impostor-ca crl good-forged.crl good-ca
revoke good-ca good
crl good.crl good-ca
crl good-revoked-unknown-extension.crl good-ca -crlexts unknown_extension
revoke root good-ca
crl root.crl root
# One authority, whose name is a PrintableString in Bob's certificate and in its own, and a UTF8String in its list.
MASK=default issue printable-ca '/O=Example/CN=Issuer printable' root rsa:2048 "$ca"
MASK=default issue printable /CN=Bob printable-ca rsa:2048 "$bob"
chain printable printable printable-ca
cp printable-ca.key as-utf8.key
issue as-utf8 '/O=Example/CN=ISSUER  Printable' root rsa:2048 "$ca"
revoke printable-ca printable
by=as-utf8 crl printable.crl printable-ca
# An authority with a new key, which signs the list from then on.
issue renewed-ca '/O=Example/CN=Issuer renewed' root rsa:2048 "$ca"
issue renewed /CN=Bob renewed-ca rsa:2048 "$bob"
chain renewed renewed renewed-ca
issue renewed-new '/O=Example/CN=Issuer renewed' root rsa:2048 "$ca"
cp renewed-new.pem "$here/renewed-new-key.pem"
revoke renewed-ca renewed
by=renewed-new crl renewed.crl renewed-ca

# Keys of people: below the root itself.
person() { # person NAME KEY EXTENSIONS
    issue "$1" "/CN=$1" root "$2" "$3subjectAltName = email:$1@example.org\n"
    cp "$1.pem" "$here/$1.pem"
}
for curve in brainpoolP256r1 brainpoolP384r1 brainpoolP512r1 secp192k1 brainpoolP256t1; do
    person "$curve" "$curve" 'keyUsage = critical, keyAgreement\n'
done
person rsa2047 rsa:2047 "$leaf"
# openssl(1) makes no key with this exponent: one octet sequence by hand, around the modulus of another key.
public() { # public NAME MODULUS EXPONENT: in hexadecimal digits
    printf 'asn1 = SEQUENCE:key\n[key]\nalgorithm = SEQUENCE:rsa\nbits = BITWRAP,SEQUENCE:numbers\n[rsa]\nid = OID:rsaEncryption\nnone = NULL\n[numbers]\nn = INTEGER:0x%s\ne = INTEGER:0x%s\n' \
        "$2" "$3" > cnf
    openssl asn1parse -genconf cnf -noout -out "$1.spki" > log
    openssl pkey -pubin -inform DER -in "$1.spki" -pubout -out "$1.pub" 2> log
    printf '%bsubjectAltName = email:%s@example.org\n' "$leaf" "$1" > ext
    openssl req -config ca.cnf -new -key good.key -subj "/CN=$1" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -force_pubkey "$1.pub" -CA root.pem -CAkey root.key -days 20000 -extfile ext \
        -out "$here/$1.pem" 2> log || { cat log; exit 1; }
}
modulus=$(openssl rsa -in good.key -noout -modulus 2> log | sed 's/.*=//')
public exponent-1 "$modulus" 1
public exponent-3 "$modulus" 3
public exponent-even "$modulus" 10000
public modulus-even "${modulus%?}0" 10001
