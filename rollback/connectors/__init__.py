"""Outside systems behind the ports, one file each. Vendor SDKs load when first used, not here."""
