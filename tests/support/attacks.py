"""What every attack on a reader is held against: a refusal, an explanation, and not an octet of the secret."""

SECRET = b"Attack at dawn."
PAYLOAD = b"Content-Type: text/plain\r\n\r\n" + SECRET + b"\r\n"

OPENED, NOT_SEALED, PARTLY, DAMAGED, UNAVAILABLE, NO_KEY = 0, 1, 2, 65, 69, 77


def decrypt(lockbox, message, *options):
    result = lockbox.run("decrypt", *options, input=message)
    assert "terminate" not in result.err and result.status >= 0, result
    return result


def read(lockbox, message, *options):
    result = lockbox.run("read", *options, input=message)
    assert "terminate" not in result.err and result.status >= 0, result
    return result


def is_refused(lockbox, message, *words, options=(), status=DAMAGED):
    """Nothing is written, and the reason is said."""
    result = decrypt(lockbox, message, *options)
    assert (result.status, result.out) == (status, b""), result
    for word in words:
        assert word in result.err, (word, result)
    shown = read(lockbox, message, *options)
    assert shown.status == status, shown
    assert SECRET not in shown.out
    return result


def is_kept_apart(lockbox, message, *options):
    """The sealed part is opened for whoever asks for it, but is written nowhere beside the rest."""
    result = decrypt(lockbox, message, *options)
    assert SECRET not in result.out, result
    assert result.status in (OPENED, PARTLY) and "not put" in result.err, result
    shown = read(lockbox, message, *options)
    assert shown.status == result.status, shown
    return result
