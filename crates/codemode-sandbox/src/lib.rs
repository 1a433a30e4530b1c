//! Kernel-enforced sandboxes.
