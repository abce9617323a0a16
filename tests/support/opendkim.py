"""OpenDKIM as a process of its own: own configuration, own socket, no DNS. The machine's OpenDKIM is not touched."""

import shutil
import socket

from support.background import Background

# Whom it becomes, as lockbox-milter in these tests: not root, and Postfix may open its socket.
USER = "nobody"
GROUP = "postfix"


class OpenDkim:
    """A milter that signs with `signing_key` what comes from this machine, or verifies everything where there is none:
    with the records of `known_keys`, in the name of `authserv_id`."""

    def __init__(self, folder, signing_key=None, known_keys=(), authserv_id="mx.example.net"):
        # It reads nothing below a folder that all the world may write to, such as /tmp.
        own = folder.make_for_socket(USER, GROUP)
        self.socket = own / "socket"
        self.config = own / "opendkim.conf"
        self._background = None
        settings = [("Background", "no"), ("Syslog", "no"), ("UserID", f"{USER}:{GROUP}"), ("UMask", "007"),
                    ("Socket", f"local:{self.socket}"), ("Mode", "s" if signing_key else "v")]
        if signing_key:
            key = own / "key.pem"
            shutil.copy(signing_key.path, key)
            shutil.chown(key, USER)
            settings += [("Domain", signing_key.domain), ("Selector", signing_key.selector), ("KeyFile", key),
                         ("Canonicalization", "relaxed/relaxed"), ("InternalHosts", "127.0.0.0/8")]
        else:
            records = own / "records"
            records.write_text("".join(f"{key.name} {key.record}\n" for key in known_keys))
            settings += [("TestPublicKeys", records), ("AuthservID", authserv_id), ("InternalHosts", "192.0.2.254")]
        self.config.write_text("".join(f"{key} {value}\n" for key, value in settings))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def start(self):
        self._background = Background(["opendkim", "-f", "-x", self.config])
        self._background.wait_until(self._listens, "OpenDKIM listens")

    def _listens(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def stop(self):
        if self._background and self._background.running():
            self._background.stop()
