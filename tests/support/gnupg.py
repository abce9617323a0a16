"""A GnuPG home of its own for a test: keys are made, used and thrown away with it."""

import os
import re
import shutil
import subprocess
import tempfile


class GnuPgError(Exception):
    """gpg ended with a failure; `status` is its exit status and `said` what it wrote to stderr."""

    def __init__(self, command, status, said):
        super().__init__(f"{' '.join(command)} ended with {status}:\n{said}")
        self.status = status
        self.said = said


class GnuPgHome:
    """A private GNUPGHOME. Without a path it makes a directory with a short name, because the agent's socket in it
    may have no more than 108 octets in its path, and removes it on close().

    Passphrases are empty unless a test says otherwise; nothing here ever asks on a terminal.
    """

    def __init__(self, path=None):
        self._owned = path is None
        self.path = str(path) if path is not None else tempfile.mkdtemp(prefix="lbg", dir="/tmp")
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        os.chmod(self.path, 0o700)
        self._write("gpg.conf", "batch", "no-tty", "trust-model always", "no-auto-key-locate", "no-greeting",
                    "pinentry-mode loopback", "display-charset utf-8")
        self._write("gpg-agent.conf", "allow-loopback-pinentry")

    def _write(self, name, *lines):
        with open(os.path.join(self.path, name), "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        """Ends the agent of this home, and removes the home if it was made here."""
        if os.path.isdir(self.path):
            subprocess.run(["gpgconf", "--homedir", self.path, "--kill", "all"], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self._owned:
            shutil.rmtree(self.path, ignore_errors=True)

    def environment(self):
        """The environment for a program that is to use this home."""
        environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "GPG_TTY")}
        environment.update(GNUPGHOME=self.path, LC_ALL="C.UTF-8")
        return environment

    def run(self, *arguments, input=b"", faked_time=None):
        """gpg's stdout; raises GnuPgError where it fails."""
        output, _ = self.run_for_both(*arguments, input=input, faked_time=faked_time)
        return output

    def run_for_both(self, *arguments, input=b"", faked_time=None):
        """gpg's stdout (bytes) and stderr (text)."""
        command = ["gpg", "--homedir", self.path, "--passphrase", ""]
        if faked_time is not None:
            command += ["--faked-system-time", _gnupg_time(faked_time)]
        command += arguments
        done = subprocess.run(command, input=input, capture_output=True, check=False, timeout=120,
                              env=self.environment())
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode != 0:
            raise GnuPgError(command, done.returncode, said)
        return done.stdout, said

    def generate(self, user_id, algo="future-default", expire="never", faked_time=None, encryption=True):
        """Makes a key and returns its fingerprint.

        `algo`: "future-default" (Ed25519 with a Curve25519 encryption subkey), "ed25519", "rsa3072", "nistp256", …
        `expire`: as gpg takes it: "never", "30d", "2y". `faked_time`: when it is made, "20200102T030405" or "2020-01-02".
        `encryption`: False leaves the encryption subkey out; a string names its algorithm.
        """
        if algo in ("default", "future-default") and encryption is True:
            self.run("--quick-generate-key", user_id, algo, "default", expire, faked_time=faked_time)
            return self.fingerprint(user_id)
        primary = "ed25519" if algo in ("default", "future-default") else algo
        self.run("--quick-generate-key", user_id, primary, "cert,sign", expire, faked_time=faked_time)
        fingerprint = self.fingerprint(user_id)
        if encryption:
            self.add_subkey(fingerprint, encryption if isinstance(encryption, str) else _encryption_algo(primary),
                            expire=expire, faked_time=faked_time)
        return fingerprint

    def add_subkey(self, fingerprint, algo="cv25519", usage="encr", expire="never", faked_time=None):
        self.run("--quick-add-key", fingerprint, algo, usage, expire, faked_time=faked_time)

    def add_user_id(self, fingerprint, user_id):
        self.run("--quick-add-uid", fingerprint, user_id)

    def set_expire(self, fingerprint, expire, subkeys=False, faked_time=None):
        """Changes when the primary key (or, with `subkeys`, every subkey) expires."""
        self.run("--quick-set-expire", fingerprint, expire, *(["*"] if subkeys else []), faked_time=faked_time)

    def revoke(self, fingerprint):
        """Publishes the revocation certificate that gpg prepared when the key was made."""
        path = os.path.join(self.path, "openpgp-revocs.d", fingerprint + ".rev")
        with open(path, encoding="utf-8") as file:
            text = file.read().replace(":-----BEGIN", "-----BEGIN")
        self.run("--import", input=text.encode())

    def fingerprint(self, user_id):
        """Of the newest key with that address, User ID or fingerprint."""
        match = user_id
        found = re.search(r"<([^<>]+)>\s*$", user_id)
        if found:
            match = "<" + found.group(1) + ">"
        listing = self.run("--with-colons", "--list-keys", match).decode("utf-8", "replace")
        best = (-1, None)
        created = -1
        for line in listing.splitlines():
            fields = line.split(":")
            if fields[0] == "pub":
                created = int(fields[5])
            elif fields[0] == "fpr" and created >= 0:
                best = max(best, (created, fields[9]))
                created = -1  # the fingerprints that follow are its subkeys'
        return best[1]

    def import_key(self, data):
        self.run("--import", input=data)

    def export(self, address, armor=True):
        return self.run(*(["--armor"] if armor else []), "--export", address)

    def export_secret(self, address, armor=True):
        return self.run(*(["--armor"] if armor else []), "--export-secret-keys", address)

    def encrypt(self, plaintext, *recipients, armor=True, sign_with=None, options=()):
        """One OpenPGP message to all recipients; nothing in it is compressed."""
        arguments = ["--compress-algo", "none", *options]
        arguments += ["--armor"] if armor else []
        arguments += ["--local-user", sign_with, "--sign"] if sign_with else []
        for recipient in recipients:
            arguments += ["--recipient", recipient]
        return self.run(*arguments, "--encrypt", input=plaintext)

    def decrypt(self, data):
        """The plaintext; text around armor (a whole message) does not matter."""
        return self.run("--decrypt", input=data)

    def session_key(self, data):
        """"9:HEX": cipher algorithm and session key of an encrypted message."""
        _, said = self.run_for_both("--show-session-key", "--decrypt", input=data)
        return re.search(r"session key: '([0-9]+:[0-9A-Fa-f]+)'", said).group(1)


def _gnupg_time(time):
    """gpg wants seconds or 20200102T030405; a day alone stands for its noon."""
    text = str(time)
    return text.replace("-", "") + "T120000" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text


def _encryption_algo(primary):
    return {"ed25519": "cv25519", "ed448": "cv448"}.get(primary, primary)
