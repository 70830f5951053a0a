"""Where ESP is done: the kernel's XFRM, a userspace process, or nowhere."""
