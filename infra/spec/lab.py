"""The lab file's shape: what this lab's hub does beside its defaults (inventory/lab.yaml)."""

from __future__ import annotations

from infra.spec.fields import Beside, Frozen, Url


class TsaSpec(Frozen):
    """An RFC 3161 authority that puts a timestamp on each anchored checkpoint; `ca` is a PEM file beside this one."""

    url: Url
    ca: Beside


class LabSpec(Frozen):
    """A whole lab file."""

    tsa: TsaSpec | None = None


class LabFile(Frozen):
    """The lab file with the file it names."""

    spec: LabSpec = LabSpec()
    tsa_ca: str = ""
