"""The only reader of YAML by people: a drop file becomes a frozen DropSpec, or all its faults at once."""

from infra.spec.drop import DropFile, DropSpec, GeographySpec, SplitSpec, TierSpec
from infra.spec.lab import LabFile
from infra.spec.read import read_drop, read_lab, read_site
from infra.spec.site import BoxSpec, SiteSpec

__all__ = [
    "BoxSpec",
    "DropFile",
    "DropSpec",
    "GeographySpec",
    "LabFile",
    "SiteSpec",
    "SplitSpec",
    "TierSpec",
    "read_drop",
    "read_lab",
    "read_site",
]
