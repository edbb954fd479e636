"""`edgedrop` with an installer for the box that has one bug of this list: `planted_reimage <name> <command> ..`."""

from __future__ import annotations

import io
import sys
import zipfile

from infra import installer

Change = tuple[str, str, str]  # file of node_image/slots, what stands there, what the bug makes of it

BUGS: dict[str, tuple[Change, ...]] = {
    "commits_before_the_gates": (
        ("install.py", "decide.failed(state, why) if why else decide.passed(state)", "decide.passed(state)"),
    ),
    "removes_the_old_slot_first": (
        ("install.py", "current = decide.other(free)", 'current = ""'),
        (
            "install.py",
            "            self.disk.take_over(current, running)\n            self.disk.switch(current)\n",
            "",
        ),
    ),
    "remembers_until_the_next_boot": (("disk.py", 'self.slots / "state.json"', 'Path("/run/edgedrop-state.json")'),),
}


def planted(pyz: bytes, changes: tuple[Change, ...]) -> bytes:
    """The installer with the bug; ValueError where its source no longer has that place."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pyz)) as there, zipfile.ZipFile(made, "w") as archive:
        files = {one.filename: there.read(one) for one in there.infolist()}
        for file, old, new in changes:
            path = f"node_image/slots/{file}"
            source = files[path].decode()
            if old not in source:
                raise ValueError(f"{file} has no longer `{old}`")
            files[path] = source.replace(old, new).encode()
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, installer.LONG_AGO), data)
    return made.getvalue()


if __name__ == "__main__":
    found = planted(installer.installer(), BUGS[sys.argv.pop(1)])
    setattr(installer, "installer", lambda: found)  # noqa: B010  mypy holds a function for fixed
    from infra.ops.__main__ import main

    main()
