"""Where things are, and places that no other run uses."""

import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = SOURCE / "build"
BIN = pathlib.Path(os.environ.get("LOCKBOX_BIN_DIR", BUILD / "release" / "bin"))
ASAN_BIN = pathlib.Path(os.environ.get("LOCKBOX_ASAN_BIN_DIR", BUILD / "asan" / "bin"))


def program(name):
    """Path of lockbox or lockbox-milter as built."""
    path = BIN / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: build it, or set LOCKBOX_BIN_DIR")
    return str(path)


class Folder:
    """A new folder below /tmp that other users may enter, with a name short enough for the path of a Unix socket
    (108 octets). Gone after the `with`, and with it whatever is still mounted in it."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="lockbox-", dir="/tmp"))
        self.path.chmod(0o755)
        self._mounts = []
        self._elsewhere = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def __truediv__(self, name):
        return self.path / name

    def make(self, name, user=None, group=None, mode=0o755):
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        if user or group:
            shutil.chown(path, user, group)
        path.chmod(mode)
        return path

    def make_for_socket(self, user, group):
        """A folder for a socket, below /run where that is possible: Sendmail trusts no socket below a folder that all
        the world may write to, such as /tmp."""
        if os.geteuid() != 0:
            return self.make("socket", mode=0o700)
        path = pathlib.Path(tempfile.mkdtemp(prefix="lockbox-", dir="/run"))
        self._elsewhere.append(path)
        shutil.chown(path, user, group)
        path.chmod(0o750)
        return path

    def mount_tmpfs(self, name, octets):
        """A file system of that size. False where this machine forbids it."""
        path = self.make(name)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={octets}", "lockbox-test", str(path)],
                              capture_output=True, check=False)
        if done.returncode == 0:
            self._mounts.append(path)
        return done.returncode == 0

    def close(self):
        for path in reversed(self._mounts):
            subprocess.run(["umount", "--lazy", str(path)], check=False)
        self._mounts.clear()
        for path in (*self._elsewhere, self.path):
            shutil.rmtree(path, ignore_errors=True)


def free_endpoint():
    """A loopback address and port for a server. The address is chosen at random from all of 127.0.0.0/8, so that another
    run does not take the port between this look and the server's start."""
    host = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}.{secrets.randbelow(253) + 2}"
    with socket.socket() as probe:
        probe.bind((host, 0))
        return host, probe.getsockname()[1]


def make_tls_certificate(folder, name="mx.example.net"):
    """Self-made certificate and key for a server: paths of both."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", f"/CN={name}"],
                   check=True, capture_output=True)
    return certificate, key
