"""S/MIME keys that openssl(1) makes for a test, and how others open what is sealed to them."""

import pathlib
import subprocess
import tempfile

from support.sealed import unfolded

ALGORITHMS = {
    "rsa2048": ["-newkey", "rsa:2048"],
    "rsa4096": ["-newkey", "rsa:4096"],
    "p256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
}


def openssl(*arguments, input=b""):
    """What it prints; an assertion fails with its own words where it does."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=input, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, f"openssl {' '.join(map(str, arguments))}: {done.stderr.decode('utf-8', 'replace')}"
    return done.stdout


def revocation_list(folder, authority, key, *serials):
    """What an authority has revoked, in PEM: certificates by their serial numbers, in hexadecimal digits."""
    config, index = folder / "ca.conf", folder / "index.txt"
    index.write_text("".join(f"R\t380101000000Z\t260101000000Z\t{serial}\tunknown\t/CN={serial}\n" for serial in serials),
                     encoding="ascii")
    config.write_text(f"[ca]\ndefault_ca = this\n[this]\ndatabase = {index}\ndefault_md = sha256\ndefault_crl_days = 30\n",
                      encoding="ascii")
    return openssl("ca", "-config", config, "-gencrl", "-cert", authority, "-keyfile", key)


class SmimeKeys:
    """An authority, and the keys and certificates of those it certifies, in a folder of its own."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="lockbox-smime.", dir="/tmp")
        self.path = pathlib.Path(self._folder.name)
        self.authority = self.path / "authority.pem"
        openssl("req", "-x509", "-noenc", "-days", "3650", "-subj", "/O=Example/CN=Example CA", *ALGORITHMS["p256"],
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.path / "authority.key",
                "-out", self.authority)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._folder.cleanup()

    def make(self, address, algorithm):
        """A key, and a certificate for the address; returns the path of the certificate."""
        usage = "keyAgreement" if algorithm.startswith("p") else "keyEncipherment"
        openssl("req", "-x509", "-noenc", "-days", "365", "-subj", f"/CN={address}", *ALGORITHMS[algorithm],
                "-CA", self.authority, "-CAkey", self.path / "authority.key",
                "-addext", "basicConstraints=critical,CA:false", "-addext", f"keyUsage=critical,digitalSignature,{usage}",
                "-addext", "extendedKeyUsage=emailProtection", "-addext", f"subjectAltName=email:{address}",
                "-keyout", self.key_of(address), "-out", self.certificate_of(address))
        return self.certificate_of(address)

    def certificate_of(self, address):
        return self.path / f"{address}.pem"

    def key_of(self, address):
        return self.path / f"{address}.key"

    def revocation_list(self, *addresses):
        """The authority's list of revoked certificates in PEM, with those of these addresses on it."""
        return revocation_list(self.path, self.authority, self.path / "authority.key", *map(self._serial, addresses))

    def _serial(self, address):
        text = openssl("x509", "-in", self.certificate_of(address), "-noout", "-serial").decode("ascii")
        return text.split("=", 1)[1].strip()

    def decrypt(self, cms, address):
        """What `openssl cms` makes of it with that address's key; an assertion fails where it makes nothing."""
        return openssl("cms", "-decrypt", "-inform", "DER", "-binary", "-inkey", self.key_of(address), "-recip",
                       self.certificate_of(address), input=cms)

    def structure(self, cms):
        return openssl("cms", "-cmsout", "-print", "-inform", "DER", input=cms).decode("utf-8", "replace")

    def pkcs12(self, address, *options):
        return openssl("pkcs12", "-export", "-inkey", self.key_of(address), "-in", self.certificate_of(address),
                       "-certfile", self.authority, *options)

    def fingerprint(self, certificate, digest="sha256"):
        """With colons, as openssl-x509(1) prints it."""
        text = openssl("x509", "-in", certificate, "-noout", "-fingerprint", f"-{digest}").decode("ascii")
        return text.split("=", 1)[1].strip()


def check_smime_form(delivered, smime_type):
    """RFC 8551 §3.2 and §3.3; returns the CMS in BER."""
    outer = [name for name in delivered.names() if name.startswith(("content-", "mime-"))]
    assert sorted(outer) == ["content-disposition", "content-transfer-encoding", "content-type", "mime-version"]
    assert unfolded(delivered.values("Content-Type")[0]) == \
        b"application/pkcs7-mime; smime-type=" + smime_type + b'; name="smime.p7m"'
    assert delivered.values("Content-Transfer-Encoding") == [b" base64"]
    assert delivered.values("Content-Disposition") == [b' attachment; filename="smime.p7m"']
    lines = delivered.body.split(b"\r\n")
    assert max(map(len, lines)) <= 64
    done = subprocess.run(["openssl", "base64", "-d"], input=delivered.body, capture_output=True, check=True)
    return done.stdout
