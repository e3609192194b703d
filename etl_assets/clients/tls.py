"""Finds the reason why a TLS connection failed."""

import ssl

_BROKE_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


def tls_fault(error: BaseException) -> str | None:
    """Return why a TLS connection was refused, or None if it only broke off.

    Libraries wrap the ssl module's error several times, so this searches its causes.
    """
    cause: BaseException | None = error
    while cause and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, _BROKE_OFF):
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return (cause and cause.reason) or str(error)
