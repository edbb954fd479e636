"""The control side's accounts in tests that plan and never sign."""

from __future__ import annotations

from infra.plan.model import Accounts

ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
HOLDERS = (
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
)
ACCOUNTS = Accounts(ADDRESS, ADDRESS, ADDRESS, HOLDERS)
