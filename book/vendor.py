"""The JavaScript that the book serves itself: fetch it from npm, or check what lies in ``_vendor``.

``python book/vendor.py`` compares every file with ``_vendor/manifest.json`` and needs no network;
``python book/vendor.py --refresh`` packs the versions named there again (needs npm) and writes files and manifest.
"""

import argparse
import base64
import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent / "_vendor"
MANIFEST = VENDOR / "manifest.json"


def manifest() -> dict:
    """The manifest: packages with version, licence and integrity, each with its files."""
    return json.loads(MANIFEST.read_text(encoding="utf-8"))


def files() -> dict[str, dict]:
    """Every vendored file by the path it gets below the book's ``_static``."""
    return {target: entry for package in manifest()["packages"] for target, entry in package["files"].items()}


def content(entry: dict) -> bytes:
    """The bytes of a vendored file as npm ships it; scripts are kept compressed."""
    stored = (VENDOR / entry["stored"]).read_bytes()
    return gzip.decompress(stored) if entry["stored"].endswith(".gz") else stored


def problems() -> list[str]:
    """What differs from the manifest, a sentence each."""
    found = []
    known = {"manifest.json", "README.md"}
    for target, entry in files().items():
        known.add(entry["stored"])
        if not (VENDOR / entry["stored"]).exists():
            found.append(f"{entry['stored']} is missing")
        elif hashlib.sha256(content(entry)).hexdigest() != entry["sha256"]:
            found.append(f"{entry['stored']} is not {target} of the manifest")
    present = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    licences = {name for name in present if name.startswith("licences/")}
    return found + [f"{name} is in no manifest" for name in sorted(present - known - licences)]


def pack(package: dict, folder: Path) -> tarfile.TarFile:
    """Fetch a package from npm and check it against the manifest's integrity."""
    name = f"{package['name']}@{package['version']}"
    command = ["npm", "pack", "--silent", name]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603 - no user's words
    archive = folder / done.stdout.split()[-1]
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != package["integrity"]:
        raise SystemExit(f"{name} has integrity {digest}, the manifest says {package['integrity']}")
    return tarfile.open(archive)


def store(entry: dict, data: bytes) -> None:
    """Write one file, compressed reproducibly where its stored name says so, and note its size and digest."""
    path = VENDOR / entry["stored"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)
    entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def refresh() -> None:
    """Fetch every package of the manifest and write its files."""
    found = manifest()
    with tempfile.TemporaryDirectory() as folder:
        for package in found["packages"]:
            with pack(package, Path(folder)) as archive:
                for entry in package["files"].values():
                    member = archive.extractfile("package/" + entry["member"])
                    store(entry, member.read())
    MANIFEST.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Refresh if asked, then check; exit 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--refresh", action="store_true", help="fetch the manifest's versions from npm")
    if parser.parse_args().refresh:
        refresh()
    wrong = problems()
    sys.stdout.writelines(f"{line}\n" for line in wrong or [f"{len(files())} files, as the manifest says"])
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
