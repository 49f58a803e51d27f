"""Certificates for servers of the tests, signed by an authority that nobody else trusts."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Certificate(NamedTuple):
    """Files of a certificate.

    Attributes:
        certfile: the certificate.
        keyfile: its key.
        authority: the certificate of the authority that signed it, for clients to trust.
    """

    certfile: Path
    keyfile: Path
    authority: Path


def certify(folder: Path, *names: str) -> Certificate:
    """Make a certificate for names, such as `DNS:example.org` or `IP:127.0.0.1`, in a folder."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Class")
    openssl("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (folder / "names").write_text(f"subjectAltName={','.join(names)}\n")
    signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signer)
    return Certificate(folder / "server.pem", folder / "server.key", folder / "ca.pem")
