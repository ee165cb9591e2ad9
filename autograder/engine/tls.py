"""Certificates for one run: nobody else on this machine may give our workers something to do."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REQUEST = (
    *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
    *("-days", "2", "-subj", "/CN=autograder", "-keyout", "key.pem", "-out", "certificate.pem"),
)


def security(folder: Path, say: Callable[[str], None]) -> Any:
    """Encryption with a certificate made for this run; None, and a remark, where nothing here can make one.

    Args:
        folder: private, for the certificate; removed with the cluster.
        say: gets the remark.
    """
    from distributed import Security  # noqa: PLC0415 - slow to import

    try:
        return Security.temporary()
    except ImportError:
        pass  # it needs the package cryptography; openssl's command does as well
    if not _made(folder):
        say(
            "Connections between grader and workers are not encrypted (install `cryptography`): on a machine that "
            "others use, another user could reach the workers."
        )
        return None
    files = {"cert": str(folder / "certificate.pem"), "key": str(folder / "key.pem")}
    roles = {
        f"tls_{role}_{kind}": files[kind] for role in ("client", "scheduler", "worker") for kind in files
    }
    return Security(tls_ca_file=files["cert"], require_encryption=True, **roles)


def _made(folder: Path) -> bool:
    program = shutil.which("openssl")
    if program is None:
        return False
    done = subprocess.run([program, *_REQUEST], cwd=folder, capture_output=True, check=False)  # noqa: S603 - fixed
    return done.returncode == 0
