"""A domain's DKIM key: signs and verifies with dkimpy, which knows nothing of OpenDKIM and nothing of Lockbox. No DNS is
asked: the key stands in for its own record."""

import base64
import subprocess

import dkim

FIELDS = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding")


class DkimKey:
    """RSA-2048, as most domains have it. The secret key is in `path`, for one user to read."""

    def __init__(self, folder, domain, selector="test"):
        self.domain = domain
        self.selector = selector
        self.name = f"{selector}._domainkey.{domain}"
        self.path = folder / f"{self.name}.pem"
        # The traditional form is the one that OpenDKIM and dkimpy both read.
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", str(self.path), "2048"], check=True,
                       capture_output=True)
        self.path.chmod(0o600)
        der = subprocess.run(["openssl", "rsa", "-in", str(self.path), "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        self.record = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()

    def sign(self, octets, canonicalization="relaxed/relaxed", fields=FIELDS):
        """The message with a signature before it, over those of the fields that it has."""
        present = {line.split(b":")[0].strip().lower() for line in octets.partition(b"\r\n\r\n")[0].split(b"\r\n")}
        names = [name.encode() for name in fields if name.lower().encode() in present]
        modes = tuple(mode.encode() for mode in canonicalization.split("/"))
        return dkim.sign(octets, self.selector.encode(), self.domain.encode(), self.path.read_bytes(),
                         canonicalize=modes, include_headers=names) + octets

    def verify(self, octets):
        """Whether the message's topmost signature verifies, and is of this key."""
        def ask(name, timeout=5):
            return self.record.encode() if name.rstrip(b".") == self.name.encode() else None
        return dkim.verify(octets, dnsfunc=ask)
