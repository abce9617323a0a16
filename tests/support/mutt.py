"""mutt and neomutt as their user sits before them: without a terminal they seal nothing."""

import os
import pty
import select
import subprocess
import time

# What is on the screen, and the key that it waits for. mutt asks whether the recipient is right, neomutt does not.
DIALOGUES = {"mutt": [(b"To: ", b"\r"), (b"Mutt: Compose", b"y")], "neomutt": [(b"Security: ", b"y")]}


def sent_by(program, home, folder, sender, recipient, subject, body, options=()):
    """The message that the program hands to sendmail, signed and sealed by itself. The GnuPG home has the sender's key, and the
    recipient's certificate as one to be trusted; `options` are further lines of muttrc."""
    mta, sent, box, rc, draft = (folder / name for name in ("mta", "sent", "box", "muttrc", "draft"))
    mta.write_text(f"#!/bin/sh\ncat > {sent}\n", encoding="ascii")
    mta.chmod(0o700)
    box.touch()
    settings = [f'sendmail="{mta}"', "sendmail_wait=0", f'from="{sender}"', f"pgp_sign_as={home.fingerprint(sender)}",
                "crypt_use_gpgme=yes", "crypt_autoencrypt=yes", "crypt_autosign=yes", "crypt_protected_headers_write=yes",
                "pgp_self_encrypt=no", 'send_charset="us-ascii:utf-8"', "editor=true", "autoedit=yes", "fast_reply=yes",
                "abort_unmodified=no", "copy=no", f"spoolfile={box}", f"folder={folder}", "record=", "quit=yes", *options]
    rc.write_text("".join(f"set {setting}\n" for setting in settings), encoding="utf-8")
    draft.write_bytes(f"To: {recipient}\nSubject: {subject}\n\n".encode() + body)
    terminal, other_end = pty.openpty()
    subprocess.run(["stty", "rows", "40", "cols", "100"], stdin=other_end, check=True)
    environment = {**home.environment(), "HOME": str(folder), "TERM": "vt100"}
    keys, seen, deadline = list(DIALOGUES[program]), b"", time.monotonic() + 30
    with subprocess.Popen([program, "-n", "-F", rc, "-H", draft], env=environment, stdin=other_end, stdout=other_end,
                          stderr=other_end, start_new_session=True) as process:
        os.close(other_end)
        try:
            while time.monotonic() < deadline:
                if not select.select([terminal], [], [], 1)[0]:
                    continue
                try:
                    seen += os.read(terminal, 65536)
                except OSError:  # how Linux says that the program has ended
                    break
                if keys and keys[0][0] in seen:
                    os.write(terminal, keys.pop(0)[1])
                    seen = b""
        finally:
            process.kill()
            os.close(terminal)
    assert sent.exists(), seen.decode("utf-8", "replace")
    return sent.read_bytes()
