"""What is wrong with TLS, said for people."""

import ssl

_BROKE_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


def tls_fault(error: BaseException) -> str | None:
    """Return why a connection could not be had, or None where it only broke off.

    Libraries wrap what the ssl module says several times over.
    """
    cause: BaseException | None = error
    while cause and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, _BROKE_OFF):
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return (cause and cause.reason) or str(error)
