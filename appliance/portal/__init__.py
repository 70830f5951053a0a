"""The portal: what a VPN user may see and do without an administrator."""
