"""The box's installer as one file: node_image/slots with what it imports, the same bytes from the same sources."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

from infra.home import ROOT
from node_image.protocol import parcel

NAME = parcel.INSTALLER
PLACE = f"/usr/local/lib/edgedrop/{NAME}"
REMEMBER = Path("playbooks") / "roles" / "record" / "files" / "remember.py"
START = b"import sys\n\nfrom node_image.slots.__main__ import main\n\nsys.exit(main(sys.argv[1:]))\n"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # zip's first day


@cache
def installer() -> bytes:
    """What `python3 slots.pyz` runs."""
    sources = [ROOT / "node_image" / "__init__.py", *sorted((ROOT / "node_image" / "slots").glob("*.py"))]
    files = {"__main__.py": START, "remember.py": (ROOT / REMEMBER).read_bytes()}
    files |= {str(path.relative_to(ROOT)): path.read_bytes() for path in sources}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), data)
    return made.getvalue()
